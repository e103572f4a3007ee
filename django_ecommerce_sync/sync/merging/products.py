"""Products: one GTIN, one part number of a brand, one title and price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from rapidfuzz.distance import OSA

from ...models import Product
from . import spelling
from .likeness import NOTHING_ALIKE, Likeness, Reason, Rules, likeness

#: Attributes in which variants of one thing differ.
VARIANT_ATTRIBUTES = (
    "color colour size material pattern style flavor flavour scent storage capacity volume weight"
).split()
#: Words by which products are found; the longest of a title say most.
_KEY_WORDS, _KEY_WORD_LENGTH = 3, 4
#: Words and letters a title must have to say anything.
_TITLE_WORDS, _TITLE_LENGTH = 2, 8


class Thing(NamedTuple):
    """A product as products are compared."""

    gtin: str
    brand: str
    mpn: str
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    price: Decimal
    currency: str
    group_key: str
    variant: dict[str, str]


class ProductRules(Rules[Thing]):
    """Compares products that share a GTIN, brand and part number, or price and words of the title.

    Variants of one thing are never duplicates of each other.
    """

    model = Product
    key_columns: ClassVar = ("gtin", "brand", "mpn", "name", "price", "currency")
    columns: ClassVar = (*key_columns, "group_key", "attributes")

    def keys(self, row: Sequence[Any]) -> Iterator[tuple[str, str]]:
        gtin, brand, mpn, name, price, currency = row
        if gtin and (number := spelling.gtin(gtin)):
            yield "gtin", number
        if mpn and brand:
            yield "mpn", f"{spelling.code(brand)}|{spelling.code(mpn)}"
        words, numbers = spelling.title_parts(name, brand)
        if price and _says_something(words):
            offer = f"{price}|{currency}|{' '.join(numbers)}|"
            yield "title", offer + " ".join(words)
            for word in sorted({*words}, key=lambda word: (-len(word), word))[:_KEY_WORDS]:
                if len(word) >= _KEY_WORD_LENGTH:
                    yield "title", offer + word

    def profile(self, row: Mapping[str, Any]) -> Thing:
        words, numbers = spelling.title_parts(row["name"], row["brand"])
        return Thing(
            spelling.gtin(row["gtin"]),
            spelling.code(row["brand"]),
            spelling.code(row["mpn"]),
            words,
            numbers,
            row["price"],
            row["currency"],
            row["group_key"],
            _variant(row["attributes"]),
        )

    def compare(self, one: Thing, other: Thing) -> Likeness:
        if is_variant(one, other):
            return NOTHING_ALIKE
        return likeness(_reasons(one, other))


def _says_something(words: Sequence[str]) -> bool:
    return len(words) >= _TITLE_WORDS and sum(map(len, words)) >= _TITLE_LENGTH


def _variant(attributes: Any) -> dict[str, str]:
    """What tells variants apart, folded."""
    known = attributes if isinstance(attributes, dict) else {}
    lowered = {name.lower(): value for name, value in known.items()}
    return {
        name: spelling.code(str(lowered[name]))
        for name in VARIANT_ATTRIBUTES
        if lowered.get(name) not in (None, "", [], {})
    }


def is_variant(one: Thing, other: Thing) -> bool:
    """Whether the two are variants of one thing, by their group or by what tells variants apart."""
    if one.group_key and one.group_key == other.group_key:
        return True
    return any(other.variant.get(name, value) != value for name, value in one.variant.items())


def _reasons(one: Thing, other: Thing) -> Iterator[Reason]:
    if one.gtin and one.gtin == other.gtin:
        yield _same_gtin(one, other)
    elif one.gtin and other.gtin:
        return  # two numbers are two things, whatever they are called
    if one.mpn and one.brand and (one.brand, one.mpn) == (other.brand, other.mpn):
        yield _same_part_number(one, other)
    elif not _disagree(one.mpn, other.mpn) and (reason := _same_offer(one, other)):
        yield reason


def _same_gtin(one: Thing, other: Thing) -> Reason:
    text = "They have the same GTIN"
    if _numbers_differ(one, other):
        return Reason(80, "same_gtin", f"{text}, but the numbers in their titles differ.")
    if _disagree(one.brand, other.brand):
        return Reason(85, "same_gtin", f"{text}, but their brands differ.")
    return Reason(97, "same_gtin", f"{text}.")


def _same_part_number(one: Thing, other: Thing) -> Reason:
    text = "They have the same brand and part number"
    if _numbers_differ(one, other):
        return Reason(75, "same_mpn", f"{text}, but the numbers in their titles differ.")
    return Reason(93, "same_mpn", f"{text}.")


def _same_offer(one: Thing, other: Thing) -> Reason | None:
    if not one.price or (one.price, one.currency) != (other.price, other.currency):
        return None
    if _disagree(one.brand, other.brand) or not is_near_equal(one, other):
        return None
    equal = one.words == other.words
    score = (88 if one.brand and other.brand else 82) - (0 if equal else 8)
    titles = "Their titles are equal" if equal else "Their titles are nearly equal"
    return Reason(score, "same_offer", f"{titles}, and so are their prices.")


def _disagree(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def _numbers_differ(one: Thing, other: Thing) -> bool:
    return bool(one.words and other.words) and one.numbers != other.numbers


def is_near_equal(one: Thing, other: Thing) -> bool:
    """Whether two titles differ in slips of the pen only: ``12`` and ``13`` are no such slip.

    Every word of one must be in the other, but for a letter or two in a long one.
    """
    if not (_says_something(one.words) and _says_something(other.words)):
        return False
    if one.numbers != other.numbers or len(one.words) != len(other.words):
        return False
    left, right = _without(one.words, other.words), _without(other.words, one.words)
    for word in left:
        twin = next((candidate for candidate in right if _is_slip(word, candidate)), None)
        if twin is None:
            return False
        right.remove(twin)
    return True


def _without(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """The words that are not among the others, each as often as it is left over."""
    rest = list(words)
    for word in others:
        if word in rest:
            rest.remove(word)
    return rest


def _is_slip(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    allowed = 0 if shorter < 5 else 1 if shorter < 9 else 2
    return bool(OSA.distance(one, other, score_cutoff=allowed) <= allowed)
