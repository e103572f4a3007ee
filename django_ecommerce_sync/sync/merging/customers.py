"""Customers: one mailbox, one phone and name, one name and address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from rapidfuzz.distance import OSA, JaroWinkler

from ...models import Customer
from . import spelling
from .likeness import Likeness, Reason, Rules, likeness

#: How like each other two names must be to be one with a slip of the pen.
SIMILAR_NAME = 0.87
_INITIAL = 0.9


class Person(NamedTuple):
    """A customer as customers are compared."""

    mailbox: str
    phone: str
    name: tuple[str, ...]
    street: tuple[str, ...]
    postal_code: str
    city: str


class CustomerRules(Rules[Person]):
    """Compares customers that share a mailbox, a phone number, an address, or name and place."""

    model = Customer
    key_columns: ClassVar = ("email", "phone", "first_name", "last_name", "company", "address")
    columns: ClassVar = key_columns

    def keys(self, row: Sequence[Any]) -> Iterator[tuple[str, str]]:
        person = _person(*row)
        if person.mailbox:
            yield "mailbox", person.mailbox
        if person.phone and person.name:
            yield "phone", spelling.phone_key(person.phone)
        place = person.postal_code or person.city
        if place and person.street and person.name:
            yield "address", f"{place}|{' '.join(person.street)}"
            yield "name", f"{place}|{' '.join(person.name)}"

    def profile(self, row: Mapping[str, Any]) -> Person:
        return _person(*(row[name] for name in self.columns))

    def compare(self, one: Person, other: Person) -> Likeness:
        name = name_likeness(one.name, other.name)
        return likeness(_reasons(one, other, name))


def _person(
    email: str | None, phone: str, first: str, last: str, company: str, address: Any
) -> Person:
    place = address if isinstance(address, dict) else {}
    return Person(
        spelling.mailbox(email),
        spelling.phone_digits(phone) if phone else "",
        spelling.name_words(f"{first} {last}") or spelling.name_words(company),
        spelling.street(place) if place else (),
        spelling.postal_code(place) if place else "",
        spelling.city(place) if place else "",
    )


def _reasons(one: Person, other: Person, name: float | None) -> Iterator[Reason]:
    if one.mailbox and one.mailbox == other.mailbox:
        yield _same_mailbox(name)
    if name is None or name < SIMILAR_NAME:
        return
    same = name == 1
    called = "The names agree" if same else "The names are similar"
    if spelling.is_same_phone(one.phone, other.phone):
        yield Reason(
            93 if same else 88, "same_phone", f"{called}, and the phone numbers are the same."
        )
    if is_same_address(one, other) and (same or is_slip(one, other)):
        yield Reason(
            88 if same else 80, "same_address", f"{called}, and the addresses are the same."
        )


def _same_mailbox(name: float | None) -> Reason:
    text = "Both e-mail addresses are delivered to the same mailbox"
    if name is None:
        return Reason(90, "same_mailbox", f"{text}.")
    if name >= SIMILAR_NAME:
        return Reason(97, "same_mailbox", f"{text}, and the names agree.")
    return Reason(75, "same_mailbox", f"{text}, but the names differ.")


def name_likeness(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Between 0 and 1: that of the words that agree least; None where a name is missing.

    Words may change places, a middle name may be missing, an initial may stand for its word.
    Father and son (``Jr.``) are two people, and one word alone is no name.
    """
    if not one or not other:
        return None
    if one == other:
        return 1.0
    if spelling.GENERATIONS & (set(one) ^ set(other)):
        return 0.0
    few, many = (one, other) if len(one) <= len(other) else (other, one)
    if len(few) == 1 and len(many) > 1:
        return 0.0
    left = list(many)
    least = 1.0
    for word in sorted(few, key=len, reverse=True):
        best = max(left, key=lambda candidate: _word_likeness(word, candidate))
        least = min(least, _word_likeness(word, best))
        left.remove(best)
    return least


def _word_likeness(one: str, other: str) -> float:
    if min(len(one), len(other)) == 1:
        return _INITIAL if one[0] == other[0] else 0.0
    return JaroWinkler.similarity(one, other)


def is_slip(one: Person, other: Person) -> bool:
    """Whether one slip of the pen is all that tells the names of two people at one address apart.

    Anna and Annika may live together; so may Anna and Anne, if each has a telephone of her own.
    """
    if one.phone and other.phone and not spelling.is_same_phone(one.phone, other.phone):
        return False
    names = " ".join(one.name), " ".join(other.name)
    return bool(OSA.distance(*names, score_cutoff=1) <= 1)


def is_same_address(one: Person, other: Person) -> bool:
    """Whether street and number are the same, in the same place."""
    if not one.street or one.street != other.street:
        return False
    if one.postal_code and other.postal_code:
        return one.postal_code == other.postal_code
    return bool(one.city) and one.city == other.city
