"""What a source in bad health answers: each takes a healthy one and gives a sick one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from .server import Answerer, Request, Response

Fault = Callable[[Answerer], Answerer]

#: What the source asks for between two requests, in seconds.
RETRY_AFTER = 7
LOGIN_PAGE = (
    b"<!doctype html>\n<html><head><title>Log in</title></head>\n"
    b"<body><form action='/login'><input name='user'></form></body></html>\n"
)


def busy_at_first(healthy: Answerer) -> Answerer:
    """Every second request is one too many, the first of all included."""
    numbers = count()

    def answer(request: Request) -> Response:
        if next(numbers) % 2 == 0:
            return Response(headers={"Retry-After": str(RETRY_AFTER)}, status=429)
        return healthy(request)

    return answer


def broken(healthy: Answerer) -> Answerer:
    """Every answer is an internal error."""
    return lambda request: Response(b"Internal Server Error", status=500)


def broken_after(requests: int) -> Fault:
    """So many requests go well, then none any more."""

    def fault(healthy: Answerer) -> Answerer:
        numbers = count()
        ill = broken(healthy)
        return lambda request: (healthy if next(numbers) < requests else ill)(request)

    return fault


def refusing(healthy: Answerer) -> Answerer:
    """Nobody is let in, and the answer repeats what was sent."""

    def answer(request: Request) -> Response:
        return Response(f"{request.target} {dict(request.headers)}".encode(), status=401)

    return answer


def silent(healthy: Answerer) -> Answerer:
    """The source takes requests and never answers."""
    return lambda request: Response(silent=True)


def cut_short(healthy: Answerer) -> Answerer:
    """Each answer breaks off in its middle."""

    def answer(request: Request) -> Response:
        whole = healthy(request)
        length = {"Content-Length": str(len(whole.body))}
        half = whole.body[: len(whole.body) // 2]
        return replace(whole, body=half, headers={**whole.headers, **length})

    return answer


def logged_out(healthy: Answerer) -> Answerer:
    """Each answer is a login page, with status 200."""
    return lambda request: Response(LOGIN_PAGE, {"Content-Type": "text/html"})


def stuck(healthy: Answerer) -> Answerer:
    """Whatever is asked for, the answer is that to the first request."""
    first: list[Response] = []

    def answer(request: Request) -> Response:
        first[:] = first or [healthy(request)]
        return first[0]

    return answer
