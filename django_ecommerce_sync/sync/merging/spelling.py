"""The one spelling under which things that may be written in many ways are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_WORD = re.compile(r"[^\W_]+")
#: A number, or a run of letters: ``64GB`` is two words.
_TITLE_WORD = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+")

#: Mail domains that are one provider under two names.
_MAIL_ALIASES = {"googlemail.com": "gmail.com"}
#: Providers that deliver an address to the same mailbox wherever its dots are.
_IGNORE_DOTS = frozenset({"gmail.com"})
#: Providers that ignore what follows a plus sign.
_IGNORE_TAGS = frozenset(
    """
    gmail.com outlook.com hotmail.com live.com msn.com icloud.com me.com mac.com fastmail.com
    fastmail.fm proton.me protonmail.com protonmail.ch pm.me zoho.com zohomail.com yandex.com
    yandex.ru mailbox.org posteo.de posteo.net tuta.com hey.com
    """.split()
)

_TITLES = frozenset("mr mrs ms miss mx dr prof herr frau sir madam mme mlle sr sra señor".split())
GENERATIONS = frozenset("jr sr junior senior ii iii iv".split())

_STREET_WORDS = {
    "street": "st",
    "strasse": "str",
    "road": "rd",
    "avenue": "ave",
    "av": "ave",
    "boulevard": "blvd",
    "lane": "ln",
    "drive": "dr",
    "court": "ct",
    "square": "sq",
    "place": "pl",
    "platz": "pl",
    "highway": "hwy",
    "parkway": "pkwy",
    "terrace": "ter",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "apartment": "apt",
    "suite": "ste",
}
#: Words of a title that say nothing about the thing.
_FILLERS = frozenset("a an the and with for of in by to und mit der die das für new neu".split())

#: GS1 leaves these prefixes to each shop: two shops use one number for two things.
_IN_STORE = re.compile(r"0(02|04|2)|000000[02]")
_WEIGHTS = (3, 1) * 6 + (3,)


def folded(text: str) -> str:
    """Text without case and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join([part for part in parts if not unicodedata.combining(part)])


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    return _WORD.findall(folded(text))


def mailbox(email: str | None) -> str:
    """The mailbox an address is delivered to, as far as its provider is known to spell freely."""
    local, at, domain = (email or "").lower().strip().rpartition("@")
    if not (local and at):
        return ""
    domain = _MAIL_ALIASES.get(domain, domain)
    if domain in _IGNORE_TAGS:
        local = local.partition("+")[0] or local
    if domain in _IGNORE_DOTS:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def phone_digits(phone: str) -> str:
    """The digits of a number without trunk and exit zeros and extension; "" if it can be none."""
    number = re.split(r"[^\W\d_]", phone.replace("(0)", ""), maxsplit=1)[0]
    digits = "".join([sign for sign in number if "0" <= sign <= "9"]).lstrip("0")
    return digits if 7 <= len(digits) <= 15 and len(set(digits)) > 2 else ""


def phone_key(digits: str) -> str:
    """The end of a number, the same with and without its country code."""
    return digits[-8:]


def is_same_phone(one: str, other: str) -> bool:
    """Whether two numbers are the same, one of them perhaps without its country code."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    missing = len(longer) - len(shorter)
    return bool(shorter) and missing <= 3 and longer.endswith(shorter)


def name_words(name: str) -> tuple[str, ...]:
    """The words of a person's name in alphabetical order, without titles."""
    found = words(name)
    return tuple(sorted([word for word in found if word not in _TITLES or len(found) == 1]))


def street(address: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of street and number in alphabetical order, the usual ones abbreviated."""
    found = words(_part(address, "street"))
    return tuple(sorted([_street_word(word) for word in found]))


def _street_word(word: str) -> str:
    if word.endswith("strasse"):
        return f"{word.removesuffix('strasse')}str"
    return _STREET_WORDS.get(word, word)


def postal_code(address: Mapping[str, Any]) -> str:
    """The postal code without its blanks."""
    return "".join(words(_part(address, "postal_code")))


def city(address: Mapping[str, Any]) -> str:
    """The name of the city."""
    return " ".join(words(_part(address, "city")))


def _part(address: Mapping[str, Any], name: str) -> str:
    value = address.get(name)
    return str(value) if isinstance(value, str | int) else ""


def gtin(code: str) -> str:
    """A GTIN with 14 digits; "" for what is none, or is one of the numbers shops make up."""
    digits = re.sub(r"[\s-]", "", code)
    if len(digits) not in (8, 12, 13, 14) or not (digits.isascii() and digits.isdecimal()):
        return ""
    digits = digits.zfill(14)
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=False))
    valid = (total + int(digits[13])) % 10 == 0
    return digits if valid and not _IN_STORE.match(digits) else ""


def code(text: str) -> str:
    """A part number, a brand: letters and digits alone."""
    return "".join(words(text))


def title_parts(title: str, brand: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a title and its numbers, both sorted, without the brand and fillers.

    ``64GB`` and ``64 GB`` are the same, so are ``1,5`` and ``1.5``.
    """
    found = _TITLE_WORD.findall(folded(title))
    left_out = {*words(brand), *_FILLERS}
    texts = [word for word in found if not word[0].isdigit() and word not in left_out]
    numbers = [_number(word) for word in found if word[0].isdigit()]
    return tuple(sorted(texts)), tuple(sorted(numbers))


def _number(text: str) -> str:
    whole, _point, decimals = text.replace(",", ".").partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{decimals}" if decimals else whole.lstrip("0") or "0"
