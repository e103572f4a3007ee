"""Prices as people write them: an amount and a currency in one text."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from ...exceptions import ConfigurationError, RecordError
from ..mapping import Converter, converter
from ..records import MISSING, Payload

#: ``15.00 USD``, ``USD 15.00``, ``15.00USD``; what the amount may be is seen to afterwards.
_PRICE = re.compile(
    r"(?P<before>[A-Za-z]{3})?\s*(?P<amount>[+-]?[0-9.,]+)\s*(?P<after>[A-Za-z]{3})?"
)
#: No price is longer, blanks and all; the patterns here are slow with endless digits.
_LENGTH = 64
#: Decimal mark → amounts that can be read in one way only. A separator of thousands is told
#: from a decimal mark by standing beside one.
_AMOUNTS = {
    ".": re.compile(r"[+-]?(?:[0-9]*\.?[0-9]+|[0-9]+\.|[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+)"),
    ",": re.compile(r"[+-]?(?:[0-9]*,?[0-9]+|[0-9]+,|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+)"),
}


class Price(Converter):
    """An amount with its ISO code before or after it: ``15.00 USD``, ``1,299.00USD``.

    The code goes into ``currency`` of the same row; ``currency`` is for texts without one.
    ``decimal`` is the mark that all of them are written with. Nothing is guessed: what can be
    read in two ways rejects the record.
    """

    def __init__(self, source: Any, *, currency: str = "", decimal: str = ".") -> None:
        if decimal not in _AMOUNTS:
            raise ConfigurationError(f"decimal='{decimal}' is neither a point nor a comma.")
        self.source = converter(source)
        self.currency = currency
        self.decimal = decimal

    def extract(self, payload: Payload) -> Any:
        values: dict[str, Any] = {}
        self.fill(values, "amount", payload)
        return values.get("amount", MISSING)

    def fill(self, values: dict[str, Any], field: str, payload: Payload) -> None:
        said = self.source.extract(payload)
        if said is MISSING:
            return
        if said is None or said == "":
            values[field] = said
            return
        values[field], code = self._parts(said)
        if values.setdefault("currency", code) != code:
            raise RecordError(
                "currency_mismatch",
                f"It is in {code}, but another price of the record is in {values['currency']}.",
                value=said,
            )

    def _parts(self, said: Any) -> tuple[str, str]:
        """Amount and code, the amount with a decimal point."""
        text = said.strip() if isinstance(said, str) else ""
        match = _PRICE.fullmatch(text) if len(text) <= _LENGTH else None
        if match is None:
            raise RecordError("invalid_decimal", _complaint(said), value=said)
        code = match["before"] or match["after"] or self.currency
        if not code:
            raise RecordError(
                "invalid_currency",
                "It names no currency; write it as 15.00 USD, or set the option currency.",
                value=said,
            )
        if match["before"] and match["after"]:
            raise RecordError("invalid_currency", "It names two currencies.", value=said)
        return self._amount(match["amount"], said), code.upper()

    def _amount(self, amount: str, said: str) -> str:
        if not _AMOUNTS[self.decimal].fullmatch(amount):
            raise RecordError(
                "invalid_decimal",
                f"'{amount}' is no amount with '{self.decimal}' before its decimals; if the whole "
                "feed is written with the other mark, set the option decimal.",
                value=said,
            )
        return amount.replace("," if self.decimal == "." else ".", "").replace(",", ".")


def _complaint(said: Any) -> str:
    """Why a text is no price."""
    signs = {c for c in str(said) if unicodedata.category(c) == "Sc"}
    if signs:
        return (
            f"It has the sign {' and '.join(sorted(signs))}, which may be several currencies; "
            "write the ISO code, as in 15.00 USD."
        )
    return "It is no price such as 15.00 USD."
