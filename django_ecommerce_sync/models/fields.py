"""Model fields whose behaviour must be the same on every database."""

from __future__ import annotations

import re
import unicodedata
from decimal import Context, Decimal
from typing import Any

import idna
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext_lazy as _

#: Control characters no text may have, unlike tabs and ends of lines; U+0080 to U+009F stay: see
#: KeyField.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: The active codes of ISO 4217 for money (funds, metals and test codes are left out).
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP
    BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
    GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR
    KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
    MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR
    SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS
    UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()
)
# What a spreadsheet makes of a long number: the digits it left out cannot be had back.
# No part number has that plus sign before two digits; one like 1E10 is let pass.
_SCIENTIFIC = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]{2,3}")

_CONTROLS = r"\x00-\x1f\x7f"
#: U+0085 is a blank in Python and none in the patterns of other languages.
_VISIBLE = rf"[^\s{_CONTROLS}\x85]"
_NOT_IN_EMAIL = rf"""\s{_CONTROLS}"(),:;<>\\"""

#: How Django reads a number that SQLite keeps as a float.
_SQLITE = Context(prec=15)


def _is_invisible(character: str) -> bool:
    """Whether nobody could see the character: two keys that differ in it would look the same.

    The controls U+0080 to U+009F are let pass: shops have them where Windows-1252 was taken for
    Latin-1 (a trademark sign, mostly), and they are the same ones in every delivery.
    """
    category = unicodedata.category(character)
    return category in {"Cf", "Cs", "Zl", "Zp"} or (category == "Cc" and character < "\x80")


class KeyField(models.CharField):  # type: ignore[type-arg]
    """Text that identifies something: compared byte by byte, as Python compares it.

    MySQL's and MariaDB's default collations fold case and accents, each in its own way; there
    the column is ``utf8mb4_bin``. ``db_collation`` would put that name into the migration and
    break it on SQLite and PostgreSQL, which compare bytes anyway.
    """

    #: As much of what ``normalize`` takes, when trimmed, as a pattern of JSON Schema can tell.
    pattern = rf"{_VISIBLE}([^{_CONTROLS}]*{_VISIBLE})?"

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, str | None]:
        parameters: dict[str, Any] = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters

    def normalize(self, text: str) -> str:
        """The one spelling under which a key is stored and compared: NFC, trimmed, case kept.

        Raises ``ValidationError`` for what can be no key.
        """
        text = text.strip()
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        if not text.isprintable() and any(map(_is_invisible, text)):
            raise ValidationError(_("It has control or invisible characters."), code="invalid_key")
        if len(text) > (self.max_length or len(text)):
            raise ValidationError(
                _("It is longer than %(limit)d characters."),
                code="invalid_key",
                params={"limit": self.max_length},
            )
        if "+" in text and _SCIENTIFIC.fullmatch(text):
            raise ValidationError(
                _("It looks like a number a spreadsheet has shortened."), code="suspicious_key"
            )
        return text


class EmailKeyField(KeyField):
    """An e-mail address as a key: trimmed, lower case, its domain as IDNA.

    Deliberately lenient: a shop has sold to this address, so it is not ours to refuse it for
    an unusual local part.
    """

    pattern = rf"[^{_NOT_IN_EMAIL}]+@[^{_NOT_IN_EMAIL}@]+"

    def normalize(self, text: str) -> str:
        local, at, domain = super().normalize(text).lower().rpartition("@")
        if not (local and at and domain) or re.search(r"[\s\"(),:;<>\\]", local + domain):
            raise ValidationError(_("It is no e-mail address."), code="invalid_email")
        if not domain.isascii():
            try:
                domain = idna.encode(domain, uts46=True).decode()
            except idna.IDNAError:
                raise ValidationError(_("Its domain cannot exist."), code="invalid_email") from None
        return f"{local}@{domain}"


class CodeField(models.CharField):  # type: ignore[type-arg]
    """Text that is a code of some kind: a number is taken as its digits."""


def validate_currency(code: str) -> None:
    """Refuse what is no currency of ISO 4217."""
    if code not in CURRENCIES:
        raise ValidationError(_("It is no ISO 4217 currency code."), code="invalid_currency")


class CurrencyField(models.CharField):  # type: ignore[type-arg]
    """An ISO 4217 code in capitals."""

    default_validators = [validate_currency]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 3)
        super().__init__(*args, **kwargs)


def is_too_large(number: Decimal, whole_digits: int) -> bool:
    """Whether a number has more digits before the point than a column takes.

    Also if SQLite would round it up to so many, for it could not be read again there.
    """
    if number.adjusted() < whole_digits - 1:
        return False
    if number.adjusted() >= whole_digits:
        return True
    return _SQLITE.create_decimal_from_float(float(number)).adjusted() >= whole_digits


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    """An amount in whole units of its currency, exact to four decimals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 19)
        kwargs.setdefault("decimal_places", 4)
        super().__init__(*args, **kwargs)
