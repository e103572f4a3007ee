"""What orders have reserved of a product: it counts where their lines are."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Sum

from ...models import OrderLine, Product


def carry_reserved(row: models.Model, *, source: models.Model, destination: models.Model) -> None:
    """Let what the lines of ``row`` hold count at ``destination`` and no more at ``source``."""
    if not isinstance(row, Product):
        return
    lines: Any = OrderLine.objects.filter(product=row)
    if units := lines.aggregate(units=Sum("reserved_count"))["units"]:
        for product, change in ((source, -units), (destination, units)):
            products = Product.objects.filter(pk=product.pk)
            products.update(reserved_count=F("reserved_count") + change)
