"""What Schemathesis has to be told: what no schema can say, and what some texts look like."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

#: Code and place of what may be wrong with a request that fits the schema, and why no schema says
#: so. Any other 400 to such a request is a gap in the schema.
BEYOND_THE_SCHEMA = (
    # What it names is not there.
    ("does_not_exist", r"(/lines/\d+)?/(customer|product|sku)"),
    ("unresolved_reference", r"/\d+(/lines/\d+/product|/customer)"),
    ("unknown_stream", r"/streams/\d+"),
    ("unknown_survivor", "/survivor"),
    ("unknown_field", "/choices"),
    # JSON has text, and names, that no column holds: NUL and halves of characters.
    ("bad_unicode", ".*"),
    ("null_characters_not_allowed", r"/\w+"),
    # Unicode knows which characters are invisible, and which domains can exist.
    ("invalid_key", r"(/\d+)?(/lines/\d+)?/(sku|email|order_id|customer_email)"),
    ("suspicious_key", r"(/\d+)?(/lines/\d+)?/(sku|email|order_id|customer_email)"),
    ("invalid_email", r"(/\d+)?/(email|customer_email)"),
    # Text is cleaned as that of feeds is.
    ("control_character", r"(/\w+)+"),
    # A depth; a number that is no float; a sum; before the year 1 in one time zone, not in another.
    ("too_deep", ".*"),
    ("out_of_range", ".*"),
    ("overflow", r"(/\d+)?/order_date"),
    # Prices are copied from products, whose currencies are theirs; so are those of stored lines.
    ("currency_mismatch", r"(/\d+)?/lines/\d+/unit_price"),
    ("required", r"/lines/\d+/unit_price"),
    ("lines_are_priced", "/currency"),
    ("required", "/currency"),
    # A line names its product in one of two ways: anyOf beside properties is more than the
    # generators of clients understand.
    ("required", r"(/\d+)?/lines/\d+/product"),
    # What a row needs in bulk depends on whether there is one with its key.
    ("required", r"/\d+/(price|currency)"),
    # No discount is more than what it is for.
    ("discount_too_large", r"(/\d+)?/(discount_total|lines/\d+/discount_amount)"),
    # Orders that are there keep what others have counted on.
    ("settled", r"/\d+/\w+"),
    # Parameters that do not go together.
    ("not_shown", "/expand"),
    ("nothing_shown", "/omit"),
)
#: A place in any walk, as an answer would say it: ["2026-01-01T00:00:00+00:00", 1]
CURSOR = "WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgMV0"


@schemathesis.check
def schema_tells_what_is_taken(context: Any, response: Any, case: Any) -> None:
    """Schemathesis's own check; a 400 may be for reasons beyond the schema, and for no others."""
    if response.status_code != 400 or not _is_beyond_the_schema(response.json()):
        positive_data_acceptance(context, response, case)


@schemathesis.check
def what_does_not_fit_is_refused(context: Any, response: Any, case: Any) -> None:
    """Schemathesis's own check; but rows in bulk are refused one by one, and bodies read kindly."""
    if not (_has_refused_rows(response, case) or _is_read_as_it_is_meant(case)):
        negative_data_rejection(context, response, case)


def _has_refused_rows(response: Any, case: Any) -> bool:
    if response.status_code != 200 or not case.path.endswith("/bulk/"):
        return False
    return bool(response.json()["counts"]["rejected"])


def _is_read_as_it_is_meant(case: Any) -> bool:
    """Whether all that is wrong with a body is what REST framework reads all the same."""
    if case.media_type != "application/json":
        return False
    document = case.operation.schema.raw_schema
    operation = document["paths"][case.operation.path][case.operation.method.lower()]
    schema = operation["requestBody"]["content"][case.media_type]["schema"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    errors = list(validator.iter_errors(case.body))
    return bool(errors) and all(map(_is_kindness, errors))


def _is_kindness(error: ValidationError) -> bool:
    """A number for its digits, digits for a number, blanks around a text that is short enough.

    The schema does not say so: who writes a client shall not come to rely on it.
    """
    if error.validator == "type":
        return isinstance(error.instance, str | int | float)
    return error.validator == "maxLength" and len(error.instance.strip()) <= error.validator_value


def _is_beyond_the_schema(problem: Any) -> bool:
    errors = problem.get("errors", [])
    return bool(errors) and all(
        any(
            error["code"] == code and re.fullmatch(place, error["pointer"], re.DOTALL)
            for code, place in BEYOND_THE_SCHEMA
        )
        for error in errors
    )


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Walk from where an answer may have said, in the order walks have; take new keys."""
    if not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = uuid4().hex
    if "cursor" in (case.query or {}):
        case.query["cursor"] = case.query["cursor"] and CURSOR
        for other in ("page", "ordering"):
            case.query.pop(other, None)


#: One key for each resource; what a resource does not know it does not look at.
_ROW = st.fixed_dictionaries(
    {
        "sku": st.from_regex(r"[A-Z]{2}-[0-9]{1,4}", fullmatch=True),
        "email": st.emails(),
        "order_id": st.from_regex(r"[0-9]{1,6}", fullmatch=True),
        "price": st.decimals(0, 1000, places=2).map(str),
    },
    optional={"name": st.text(max_size=40), "note": st.text(max_size=40)},
)
schemathesis.openapi.format(
    "ndjson",
    st.lists(_ROW, min_size=1, max_size=4).map(
        lambda rows: "".join(f"{json.dumps(row)}\n" for row in rows)
    ),
)


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def as_it_is(context: Any, value: Any) -> bytes:
    """The schema has text there, and text it is."""
    return str(value).encode(errors="replace")
