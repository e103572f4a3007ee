"""Many rows in one request: checked by the serializer, then matched and applied as a feed's are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rest_framework.exceptions import ValidationError

from .. import orders, sync
from ..exceptions import RecordError
from ..feeds import MISSING, Converter, Lines, Reference, Stream
from ..feeds.mapping import converter
from ..models import COUNTS
from .parsers import Element
from .problems import FieldProblem, FieldsProblem, field_problems, step

#: What an order that is there keeps: its states have moves of their own, and what was sold, for how
#: much and where it goes has rules by state, which its own address knows.
KEPT_BY_ORDERS = frozenset(
    {
        "order_date",
        "currency",
        "lines",
        "subtotal",
        "discount_total",
        "shipping_total",
        "tax_total",
        "total_amount",
        "shipping_address",
        "status",
        "payment_status",
        "fulfillment_status",
    }
)


class RowsRejected(FieldsProblem):
    """Some rows are wrong, so none was written."""

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        super().__init__(errors, "rows_rejected")


class Sent(Converter):
    """Another source, for payloads that have the name at all."""

    def __init__(self, name: str, source: Any) -> None:
        self.name = name
        self.source = converter(source)

    def extract(self, payload: Mapping[str, Any]) -> Any:
        return self.source.extract(payload) if self.name in payload else MISSING


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row the serializer does not take."""

    index: int
    problems: list[FieldProblem]


class Results(NamedTuple):
    """What became of rows, by index, and what is strange about those that were taken."""

    rows: list[dict[str, Any]]
    warnings: Mapping[str, tuple[int, str]]

    @property
    def errors(self) -> list[FieldProblem]:
        """All that is wrong with any of them."""
        return [error for row in self.rows for error in row["errors"]]


def bulk(
    name: str, serializer: Any, elements: Sequence[Element], *, by: Any, atomic: bool, dry_run: bool
) -> dict[str, Any]:
    """Create or change the rows with these keys; what became of each, and how many of what.

    Raises ``RowsRejected`` if ``atomic`` and there is anything wrong with any of them.
    """
    numbered = list(enumerate(elements))
    done = carry_out(name, serializer, numbered, by=by, atomic=atomic, dry_run=dry_run)
    if atomic and done.errors:
        raise RowsRejected(done.errors)
    return {
        "dry_run": dry_run,
        "counts": count(done.rows),
        "warnings": [
            {"code": code, "count": count, "message": message}
            for code, (count, message) in done.warnings.items()
        ],
        "results": [
            {**row, "errors": [error.as_dict() for error in row["errors"]]} for row in done.rows
        ],
    }


def carry_out(
    name: str,
    serializer: Any,
    elements: Iterable[tuple[int, Element]],
    *,
    by: Any,
    atomic: bool,
    dry_run: bool,
) -> Results:
    """Create or change the rows; if ``atomic`` and one is wrong, none is."""
    rows, rejected = checked(serializer, elements)
    looks_only = dry_run or bool(atomic and rejected)
    done = _upsert(name, serializer, rows, by=by, atomic=atomic, dry_run=looks_only)
    results = [_result(outcome) for outcome in done.outcomes] + [
        _rejection(each) for each in rejected
    ]
    return Results(sorted(results, key=lambda result: result["index"]), done.warnings)


def checked(
    serializer: Any, elements: Iterable[tuple[int, Element]]
) -> tuple[list[tuple[int, Any]], list[Rejected]]:
    """The rows the serializer takes, and those it does not."""
    rows: list[tuple[int, Any]] = []
    rejected: list[Rejected] = []
    for index, element in elements:
        at = step(index)
        if element.problem is not None:
            problem = element.problem
            rejected.append(Rejected(index, [problem._replace(pointer=at + problem.pointer)]))
            continue
        try:
            rows.append((index, serializer.run_validation(element.value)))
        except ValidationError as error:
            rejected.append(Rejected(index, list(field_problems(error.detail, at))))
    wrong = serializer.errors_of_rows(dict(rows))
    for index, detail in wrong.items():
        rejected.append(Rejected(index, list(field_problems(detail, step(index)))))
    return [(index, row) for index, row in rows if index not in wrong], rejected


def _upsert(
    name: str,
    serializer: Any,
    rows: Sequence[tuple[int, Any]],
    *,
    by: Any,
    atomic: bool,
    dry_run: bool,
) -> sync.Upserted:
    def record(report: Any) -> None:
        orders.record_many(report.created, report.updated, by=by)

    fields = _writable(serializer)
    if name != "orders":
        stream = Stream(name, fields=fields)
        return sync.upsert(stream, rows, atomic=atomic, dry_run=dry_run, by=by)
    return sync.upsert(
        Stream(name, fields={**fields, **_order_relations(serializer)}),
        rows,
        atomic=atomic,
        dry_run=dry_run,
        complete=sync.complete_order,
        kept=KEPT_BY_ORDERS,
        written=record,
        by=by,
    )


def _writable(serializer: Any, without: Collection[str] = ()) -> dict[str, str]:
    """The fields a client may set, each read under its own name."""
    return {
        field.source: field.source
        for field in serializer.fields.values()
        if not field.read_only and field.source not in without
    }


def _order_relations(serializer: Any) -> dict[str, Converter]:
    line = _writable(serializer.fields["lines"].child, without=("product_id", "sku"))
    lines = Lines("lines", {**line, "quantity": _quantity, "product": _product})
    return {"customer": Sent("customer", _customer), "lines": lines}


def _customer(row: Mapping[str, Any]) -> Reference | None:
    return Reference("customers", str(row["customer"])) if row["customer"] else None


def _quantity(line: Mapping[str, Any]) -> Any:
    if "quantity" not in line:
        raise RecordError("required", "A line needs it.")
    return line["quantity"]


def _product(line: Mapping[str, Any]) -> Reference:
    """The product a line names: by id, or else by SKU, which it copies from there."""
    if product := line.get("product_id"):
        return Reference("products", str(product))
    if not line.get("sku"):
        raise RecordError("required", "Name a product or a SKU.")
    return Reference("products", key=line["sku"])


def _result(outcome: sync.Outcome) -> dict[str, Any]:
    errors = []
    if outcome.error is not None:
        pointer = step(outcome.index) + _pointer(outcome.error.field)
        errors.append(FieldProblem(pointer, outcome.error.code, outcome.error.message))
    return {
        "index": outcome.index,
        "key": outcome.key or None,
        "id": outcome.id,
        "status": outcome.status,
        "errors": errors,
    }


def _pointer(field: str) -> str:
    """``lines[2].quantity`` as a JSON pointer."""
    return "".join(step(name) for name in re.split(r"[.\[\]]+", field) if name)


def _rejection(rejected: Rejected) -> dict[str, Any]:
    return {
        "index": rejected.index,
        "key": None,
        "id": None,
        "status": "rejected",
        "errors": rejected.problems,
    }


def count(results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many rows became what."""
    found = Counter(result["status"] for result in results)
    return {**dict.fromkeys(COUNTS, 0), **found, "read": len(results)}
