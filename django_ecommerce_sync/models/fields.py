"""Model fields whose behaviour must be the same on every database."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class KeyField(models.CharField):  # type: ignore[type-arg]
    """Text that identifies something: compared byte by byte, as Python compares it.

    MySQL's and MariaDB's default collations fold case and accents, each in its own way; there
    the column is ``utf8mb4_bin``. ``db_collation`` would put that name into the migration and
    break it on SQLite and PostgreSQL, which compare bytes anyway.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, str | None]:
        parameters: dict[str, Any] = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    """An amount in whole units of its currency, exact to four decimals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 19)
        kwargs.setdefault("decimal_places", 4)
        super().__init__(*args, **kwargs)
