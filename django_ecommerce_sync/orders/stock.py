"""The stock an order holds, and takes when its goods leave.

Only orders made here move stock: those of a feed were sold elsewhere, and the feed that brings a
product's inventory knows of them. No link is told of these writes: a feed that still says the
same has not counted what was sold here, so its next run shall leave our count alone.

Products are always locked in the order of their primary keys, before an order's lines refer to
them: two orders wait for each other, and never both for the other one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import BigIntegerField, F, Q, Value
from django.db.models.functions import Cast, Greatest
from django.db.models.signals import pre_delete
from django.utils import timezone

from ..exceptions import InsufficientStock, Shortage
from ..models import Availability, Order, OrderLine, Product
from .conf import BACKORDER, OFF, order_settings
from .states import is_gone, is_released

#: Units by product.
Units = Counter[int]
#: What has moved, for the order's log: {"stock": {"reserved": {sku: units}}}; empty if nothing.
Moved = dict[str, Any]
_LEAST, _MOST = -(2**31), 2**31 - 1
_LATER = Q(availability__in=[Availability.BACKORDER, Availability.PREORDER])


def connect() -> None:
    """Let orders that are deleted, by whatever door, give back what they hold."""
    pre_delete.connect(_release_deleted, Order, dispatch_uid="ecommerce_sync.release_stock")


def hold(order: Order, lines: Sequence[dict[str, Any]], before: Sequence[OrderLine] = ()) -> Moved:
    """Reserve what ``lines`` want beyond what the stored lines ``before`` hold, and note it there.

    What they want less is given back. Raises ``InsufficientStock``, which undoes the transaction.
    """
    if not order.is_local:
        return {}
    is_tracked = order_settings.ORDER_STOCK != OFF and not is_released(order)
    for line in lines:
        line["reserved_count"] = line["quantity"] if is_tracked and line["product_id"] else 0
    held = _held(before)
    wanted = _count((line["product_id"], line["reserved_count"]) for line in lines)
    skus = {**_skus(before), **{line["product_id"]: line["sku"] for line in lines}}
    _shift(held, wanted, skus)
    return _told(skus, reserved=wanted - held, released=held - wanted)


def hold_again(order: Order, before: Sequence[OrderLine]) -> Moved:
    """The same for lines that are stored already; ``before`` is what they were like."""
    lines = list(_locked_lines(order))
    wanted: list[dict[str, Any]] = [
        {"product_id": line.product_id, "sku": line.sku, "quantity": line.quantity}
        for line in lines
    ]
    moved = hold(order, wanted, before)
    for line, held in zip(lines, wanted, strict=True):
        line.reserved_count = held["reserved_count"]
    OrderLine.objects.bulk_update(lines, ["reserved_count"], batch_size=200)
    return moved


def take_if_gone(order: Order) -> Moved:
    """Take what a new order holds, if its goods have left already."""
    return settle(order, was_released=False)


def settle(order: Order, *, was_released: bool) -> Moved:
    """Bring the stock in line with the order's state: reserve, release or take.

    The caller holds the order's row lock, so whatever is done is done once.
    """
    if not order.is_local or not (was_released or is_released(order) or is_gone(order)):
        return {}
    lines = list(_locked_lines(order))
    if is_released(order):
        return _release(order, lines)
    reserved = _reserve_missing(order, lines) if was_released else Counter()
    taken = _take(order, lines) if is_gone(order) else Counter()
    return _told(_skus(lines), reserved=reserved, taken=taken)


def _locked_lines(order: Order) -> Iterable[OrderLine]:
    """The lines as they are now, whatever this transaction has seen of them before."""
    lines = OrderLine.objects.select_for_update().filter(order=order, product__isnull=False)
    return lines.order_by("pk")


def _release_deleted(instance: Order, using: str, **kwargs: Any) -> None:
    if instance.is_local:
        # Whoever moves the order at this moment has its lock.
        list(Order.objects.using(using).select_for_update().filter(pk=instance.pk).values("pk"))
        _release(instance, list(_locked_lines(instance)))


def _release(order: Order, lines: Sequence[OrderLine]) -> Moved:
    held = _held(lines)
    if held:
        _shift(held, Counter(), {})
        OrderLine.objects.filter(order=order).update(reserved_count=0)
    return _told(_skus(lines), released=held)


def _reserve_missing(order: Order, lines: Sequence[OrderLine]) -> Units:
    """Reserve, for an order that comes back to life, what has not left the stock before."""
    if order_settings.ORDER_STOCK == OFF:
        return Counter()
    held = _held(lines)
    for line in lines:
        line.reserved_count = line.quantity - line.shipped_count
    _shift(held, _held(lines), _skus(lines))
    OrderLine.objects.filter(order=order, product__isnull=False).update(
        reserved_count=F("quantity") - F("shipped_count")
    )
    return _held(lines) - held


def _take(order: Order, lines: Sequence[OrderLine]) -> Units:
    """What was reserved leaves the stock."""
    held = _held(lines)
    for pk, units in sorted(held.items()):
        _write(
            Product.objects.filter(pk=pk),
            inventory_count=_lowered("inventory_count", units, _LEAST),
            reserved_count=_lowered("reserved_count", units, 0),
        )
    if held:
        # In this order: MySQL reads what it has set already in the same statement.
        OrderLine.objects.filter(order=order).update(
            shipped_count=F("shipped_count") + F("reserved_count"), reserved_count=0
        )
    return held


def _shift(held: Units, wanted: Units, skus: Mapping[int, str]) -> None:
    """Reserve or release the difference, product by product; each is one statement."""
    pks = sorted({*held, *wanted})
    if any(wanted[pk] == held[pk] for pk in pks):
        _lock(pks)  # lines that come to name a product have the database lock it, written or not
    short = []
    for pk in pks:
        units = wanted[pk] - held[pk]
        if units < 0:
            reserved = _lowered("reserved_count", -units, 0)
            _write(Product.objects.filter(pk=pk), reserved_count=reserved)
        elif units > 0 and not _reserve(pk, units):
            short.append(pk)
    if short:
        raise InsufficientStock(list(_shortages(short, held, wanted, skus)))


def _lock(pks: Sequence[int]) -> None:
    list(Product.objects.select_for_update().filter(pk__in=pks).order_by("pk").values("pk"))


def _reserve(pk: int, units: int) -> bool:
    """Reserve units of a product if there are as many; the database looks and writes in one."""
    sellable = Product.objects.filter(pk=pk, reserved_count__lte=_MOST - units)
    if order_settings.ORDER_STOCK != BACKORDER:
        # Wide enough for any two counts; PostgreSQL refuses a sum its columns cannot hold.
        claimed = Cast("reserved_count", BigIntegerField()) + units
        sellable = sellable.filter(Q(inventory_count__gte=claimed) | _LATER)
    return _write(sellable, reserved_count=F("reserved_count") + units) == 1


def _shortages(
    short: Sequence[int], held: Units, wanted: Units, skus: Mapping[int, str]
) -> Iterable[Shortage]:
    found = Product.objects.in_bulk(short)
    for pk in short:
        product = found.get(pk)
        free = product.inventory_count - product.reserved_count if product else 0
        yield Shortage(skus[pk], wanted[pk], max(free, 0) + held[pk])


def _lowered(name: str, units: int, floor: int) -> Any:
    """A count less some units, but not below ``floor``: a feed may have counted anew meanwhile."""
    return Greatest(F(name), Value(floor + units)) - units


def _write(products: Any, **values: Any) -> int:
    """Write stock, counting the change as every other change of a product is counted."""
    return int(products.update(**values, version=F("version") + 1, updated_at=timezone.now()))


def _count(pairs: Iterable[tuple[int | None, int]]) -> Units:
    units: Units = Counter()
    for pk, number in pairs:
        if pk is not None and number:
            units[pk] += number
    return units


def _held(lines: Iterable[OrderLine]) -> Units:
    return _count((line.product_id, line.reserved_count) for line in lines)


def _skus(lines: Iterable[OrderLine]) -> dict[int, str]:
    return {line.product_id: line.sku for line in lines if line.product_id is not None}


def _told(skus: Mapping[int, str], **moves: Units) -> Moved:
    moved = {
        name: {skus[pk]: number for pk, number in sorted(units.items())}
        for name, units in moves.items()
        if units
    }
    return {"stock": moved} if moved else {}
