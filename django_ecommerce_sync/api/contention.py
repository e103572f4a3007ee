"""Requests that met the locks of others: carried out again as a whole, a few times."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from rest_framework.response import Response

from ..sync.database import connection_of_runs
from ..sync.faults import Haste, tried_again

Result = TypeVar("Result")
Handler = TypeVar("Handler", bound=Callable[..., Response])


def persistently(work: Callable[[], Result]) -> Result:
    """What ``work`` returns; done again where the database has ended it for the locks of others.

    Such an end is the end of the whole transaction, so only who begins it can begin it again.
    """
    return work() if connection_of_runs().in_atomic_block else tried_again(work, Haste())


def persistent(handler: Handler) -> Handler:
    """Let a view's handler try again, of PUT, PATCH and DELETE; POSTs are ``idempotent``."""

    @wraps(handler)
    def answer(view: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        return persistently(lambda: handler(view, request, *args, **kwargs))

    return cast(Handler, answer)
