"""A stream's model as the engine sees it: identity, columns, defaults, children."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import connections, models
from django.db.models import UniqueConstraint
from django.utils import timezone

from ..exceptions import ConfigurationError, RecordError
from ..feeds import Payload, Stream
from ..feeds.mapping import Lines
from ..models import EmailKeyField, KeyField
from .clean import FieldsCleaner
from .database import alias_of, misplaced
from .insert import Insert
from .table import Row, Table

#: Callable defaults that may be called once for many rows.
_EQUAL_DEFAULTS = (dict, list, timezone.now)


def check_database(target: Target) -> None:
    """Raises ``ConfigurationError`` where the rows are not in the database of the runs."""
    if complaint := misplaced(target.model):
        cure = "let your routers send both to one."
        raise ConfigurationError(f"Stream '{target.stream.name}' {complaint}: {cure}")


class Target:
    """Where a stream's records go."""

    def __init__(self, stream: Stream, feed: str) -> None:
        self.stream = stream
        self.model = model_of(stream)
        self.label = self.model._meta.label_lower
        self.key = stream.key or getattr(self.model, "sync_key", "")
        if not self.key:
            raise ConfigurationError(
                f"Stream '{stream.name}' needs key='…': which field of {self.model.__name__} "
                "identifies a row?"
            )
        scope = getattr(self.model, "sync_scope", None)
        self.scope: dict[str, Any] = {scope: feed} if scope else {}
        self.snapshots: Mapping[str, Mapping[str, tuple[str, ...]]] = getattr(
            self.model, "sync_snapshots", {}
        )
        self.complete: Callable[[Row, Row], None] | None = getattr(
            self.model, "sync_complete", None
        )
        self.connection = connections[alias_of(self.model)]
        self.table = Table(self.model, self.connection)
        self.casefold = stream.casefold
        self.children = {
            name: ChildTarget(self.model, name, source.fields, stream.decimal)
            for name, source in stream.sources.items()
            if isinstance(source, Lines)
        }
        mapped = self._mapped(stream)
        self.cleaner = FieldsCleaner(
            self.model, mapped, decimal=stream.decimal, casefold=stream.casefold
        )
        #: Relation → attribute that holds the related primary key.
        self.relations = relations_of(self.model, mapped)
        self.currency = stream.currency if "currency" in self.table.fields else ""

    def _mapped(self, stream: Stream) -> dict[str, FieldsCleaner | None]:
        mapped: dict[str, FieldsCleaner | None] = {}
        for name in [*stream.fields, *self._fellow_fields(stream)]:
            child = self.children.get(name)
            mapped[name] = child.cleaner if child else None
            if child is None:
                try:
                    self.model._meta.get_field(name)
                except FieldDoesNotExist:
                    raise ConfigurationError(
                        f"Stream '{stream.name}' maps '{name}', a field that "
                        f"{self.model.__name__} does not have."
                    ) from None
        return mapped

    def _fellow_fields(self, stream: Stream) -> list[str]:
        """Fields a converter may fill beside its own: an amount brings its currency."""
        return (
            ["currency"]
            if "currency" in self.table.fields and "currency" not in stream.fields
            else []
        )

    @cached_property
    def _key_field(self) -> KeyField | None:
        field = self.model._meta.get_field(self.key)
        return field if isinstance(field, KeyField) else None

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Columns a new row cannot do without."""
        return tuple(
            name
            for name, field in self.table.fields.items()
            if not (field.null or field.blank or field.has_default() or field.primary_key)
            and not is_automatic(field)
            and name not in self.scope
        )

    @cached_property
    def key_is_personal(self) -> bool:
        """Whether the key is somebody's e-mail address, to be named nowhere else."""
        return isinstance(self._key_field, EmailKeyField)

    @property
    def key_is_unique(self) -> bool:
        """Whether the database itself keeps two rows from having one key."""
        meta = self.model._meta
        unique = {frozenset(c.fields) for c in meta.constraints if isinstance(c, UniqueConstraint)}
        alone = bool(getattr(meta.get_field(self.key), "unique", False)) and not self.scope
        return alone or frozenset({*self.scope, self.key}) in unique

    @property
    def refers_to_others(self) -> bool:
        """Whether its records point to records of other streams."""
        return bool(self.relations or any(child.relations for child in self.children.values()))

    @cached_property
    def own_defaults(self) -> dict[str, Any]:
        """Columns whose default differs from row to row (a random UUID), and how to make one."""
        return {
            name: field.get_default
            for name, field in self.table.fields.items()
            if field.has_default()
            and callable(field.default)
            and field.default not in _EQUAL_DEFAULTS
        }

    def defaults(self) -> Row:
        """What a new row holds where the feed says nothing."""
        return defaults_of(self.table)

    def insertion(self, names: Sequence[str], *, as_file: bool = False) -> Insert:
        """New rows, given by the values of ``names``; the other columns hold their defaults."""
        held = {**self.defaults(), **self.scope}
        constants = {name: value for name, value in held.items() if name not in names}
        return self.table.insertion(names, constants, key=self.key, as_file=as_file)

    def insert(self, insert: Insert, keys: Sequence[Any]) -> dict[Any, Any]:
        """Carry out such an insertion of rows with these keys; their primary keys by those."""
        return self.table.carry_out(insert, keys, self.key, self.scope)

    def touch(self, row: Row) -> tuple[str, ...]:
        """Count a changed row's version up and renew its times; returns the columns touched."""
        times, touched = self._touched
        for name in times:
            row[name] = timezone.now()
        if len(touched) > len(times):
            row["version"] += 1
        return touched

    @cached_property
    def _touched(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The columns that tell when a row changed, and these with its version."""
        fields = self.table.fields
        times = tuple(name for name in fields if getattr(fields[name], "auto_now", False))
        return times, (*times, "version") if "version" in fields else times

    def identify(self, payload: Payload) -> str:
        """The record's external id in its one spelling, or "" where it has none."""
        if self.stream.external_id is not None:
            return self.stream.identify(payload, self.key)
        return self.normalize_key(self.stream.key_of(payload, self.key))

    def values(self, payload: Payload) -> Row:
        """The record's clean values by field name; raises ``RecordError``."""
        values = self.cleaner.clean(self.stream.map(payload))
        if self.currency:
            values.setdefault("currency", self.currency)
        return values

    def lacks(self, field: str) -> RecordError:
        """Why a record without that field cannot become a new row."""
        return RecordError(
            "required",
            f"A new {self.model._meta.verbose_name} needs it; the feed does not carry it.",
            field=field,
        )

    def normalize_keys(self, texts: Sequence[str]) -> list[str]:
        """Each key in its one spelling, or "" if it can be none."""
        if self._key_field is None and not self.casefold:
            return list(texts)
        whole = "".join(texts)
        is_plain = whole.isascii() and whole.isprintable() and "+" not in whole
        if self._keeps_plain_keys and is_plain and max(map(len, texts)) <= self._key_length:
            return list(map(str.strip, texts))
        return list(map(self.normalize_key, texts))

    @cached_property
    def _keeps_plain_keys(self) -> bool:
        """Whether nothing is done to a key of plain characters but to trim it."""
        field = self._key_field
        is_usual = field is not None and type(field).normalize is KeyField.normalize
        return is_usual and not self.casefold

    @cached_property
    def _key_length(self) -> int:
        """Characters a key may have."""
        return int(getattr(self._key_field, "max_length", None) or 1 << 62)

    def normalize_key(self, text: str) -> str:
        """A key in its one spelling, or "" if it can be none."""
        if self._key_field is not None:
            try:
                text = self._key_field.normalize(text)
            except ValidationError:
                return ""
        return text.casefold() if self.casefold else text


class ChildTarget:
    """Rows that come with a record: the lines of an order."""

    def __init__(
        self, parent: type[models.Model], name: str, fields: Mapping[str, Any], decimal: str
    ) -> None:
        try:
            relation: Any = parent._meta.get_field(name)
        except FieldDoesNotExist:
            raise ConfigurationError(
                f"{parent.__name__} has no child rows called '{name}'."
            ) from None
        self.name = name
        self.model: type[models.Model] = relation.related_model
        self.parent_attribute: str = relation.field.attname
        self.position: str = getattr(self.model, "sync_key", "position")
        self.cleaner = FieldsCleaner(self.model, dict.fromkeys(fields), decimal=decimal)
        self.relations = relations_of(self.model, fields)
        self.snapshots: Mapping[str, Mapping[str, tuple[str, ...]]] = getattr(
            self.model, "sync_snapshots", {}
        )

    @cached_property
    def content_defaults(self) -> Row:
        """What a child row holds where the feed says nothing, but its place and its sums."""
        computed = getattr(self.model, "sync_computed", ())
        return {
            field.attname: field.get_default()
            for field in self.model._meta.concrete_fields
            if not field.primary_key
            and field.attname not in (self.position, self.parent_attribute, *computed)
        }

    def table(self, connection: Any) -> Table:
        """The child rows' table."""
        return Table(self.model, connection)


def model_of(stream: Stream) -> type[models.Model]:
    """The model a stream names."""
    try:
        return apps.get_model(stream.model_label)
    except (LookupError, ValueError):
        raise ConfigurationError(
            f"Stream '{stream.name}' names the model '{stream.model_label}', which does not exist."
        ) from None


def relations_of(model: type[models.Model], names: Any) -> dict[str, str]:
    """Of the fields named, the foreign keys and the attributes that hold them."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    return {
        name: fields[name].attname for name in names if name in fields and fields[name].is_relation
    }


def is_automatic(field: Any) -> bool:
    """Whether the time of the write fills the field."""
    return bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))


def defaults_of(table: Table) -> Row:
    """Each column's default; now for the times of a write; none for the primary key."""
    now = timezone.now()
    return {
        name: now if is_automatic(field) else field.get_default()
        for name, field in table.fields.items()
        if not field.primary_key
    }
