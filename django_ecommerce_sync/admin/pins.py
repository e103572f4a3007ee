"""A pin beside each field: a pinned one is the person's, and no feed changes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django import forms
from django.db import models
from django.utils.translation import gettext_lazy as _

_PIN = "pin_"


def is_pin(name: str) -> bool:
    """Whether a form field is the pin of another one."""
    return name.startswith(_PIN)


def pin_form(
    form: type[forms.ModelForm[Any]], model: type[models.Model], names: Sequence[str]
) -> type[forms.ModelForm[Any]]:
    """The form with a pin for each of the model's fields named."""
    pins = {_PIN + name: _pin(model, name) for name in names}
    return type("PinForm", (_PinForm, form), pins)


def with_pins(fields: Iterable[Any], names: Collection[str]) -> list[Any]:
    """The fields of a fieldset, each that has a pin on one line with it."""
    return [(one, _PIN + one) if one in names else one for one in fields]


def pins_of(form: Any, edited: Iterable[str]) -> list[str]:
    """What is pinned after a form was sent; ``edited`` are fields that are pinned with it.

    A pin that the form does not show stays, and one that was taken away stays away.
    """
    chosen = {name for name in form.fields if is_pin(name) and form.cleaned_data.get(name)}
    taken = {name for name in form.fields if is_pin(name) and form.initial.get(name)} - chosen
    shown = {name.removeprefix(_PIN) for name in form.fields if is_pin(name)}
    pinned = set(form.instance.pinned) - shown
    pinned |= {name.removeprefix(_PIN) for name in chosen}
    pinned |= {name for name in edited if name in shown and _PIN + name not in taken}
    return sorted(pinned)


class _PinForm(forms.ModelForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields:
            if is_pin(name):
                self.initial[name] = name.removeprefix(_PIN) in self.instance.pinned


def _pin(model: type[models.Model], name: str) -> forms.BooleanField:
    field: Any = model._meta.get_field(name)
    return forms.BooleanField(
        label=_("pinned"),
        required=False,
        widget=forms.CheckboxInput(attrs={"aria-label": _("%s pinned") % field.verbose_name}),
    )
