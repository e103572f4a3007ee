"""Watching the rows that are on their way into the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_ecommerce_sync.sync.insert import Insert


def watch(monkeypatch: pytest.MonkeyPatch, look: Callable[[str, list[Any]], None]) -> None:
    """Call ``look`` before each INSERT, with its head and its rows; it may raise."""
    add, execute = Insert.add, Insert.execute

    def noted(self: Any, rows: Any) -> Any:
        vars(self).setdefault("given", []).extend(rows)
        return add(self, rows)

    def watched(self: Any, *args: Any) -> Any:
        look(self.head, vars(self).get("given", []))
        return execute(self, *args)

    monkeypatch.setattr(Insert, "add", noted)
    monkeypatch.setattr(Insert, "execute", watched)
