"""``Idempotency-Key``: a POST that is sent again is answered again, and not done again.

As draft-ietf-httpapi-idempotency-key-header has it. The answer is written in the transaction
that does the work, so there is never one without the other; a unique row decides who does it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from hashlib import sha256
from http import HTTPStatus
from typing import Any, TypeVar, cast

from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import IdempotencyKey
from ..sync.database import atomic, connection_of_runs
from .conf import api_settings
from .contention import persistently
from .problems import Conflict, FieldProblem, FieldsProblem, step
from .renderers import JSONRenderer, ProblemRenderer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_LENGTH = 255
#: Longer than any server lets a request take; afterwards its worker has died.
LOCK = timedelta(seconds=60)
#: Visible ASCII but for quotes and backslash; in quotes, as the draft has it, or without.
_KEY = re.compile(r"[!#-\[\]-~]+", re.ASCII)
#: The same for the schema, quotes and length included.
KEY_PATTERN = rf'^("[!#-\[\]-~]{{1,{MAX_LENGTH}}}"|[!#-\[\]-~]{{1,{MAX_LENGTH}}})$'
_KEPT_HEADERS = ("Location", "ETag")
_TRIES = 5

Handler = TypeVar("Handler", bound=Callable[..., Response])


class InvalidKey(FieldsProblem):
    """The header is no key."""

    def __init__(self, detail: Any) -> None:
        super().__init__([FieldProblem(step(HEADER), "invalid", detail, "header")])


class KeyReused(exceptions.APIException):
    """The key was sent with another request."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_detail = _("The Idempotency-Key was sent with another request before; take a new one.")
    default_code = "idempotency_key_reused"


class InProgress(Conflict):
    """The first request with the key is still being carried out."""

    default_detail = _("The request with this Idempotency-Key is still being carried out.")
    default_code = "request_in_progress"
    wait = 1


def idempotent(handler: Handler) -> Handler:
    """Let a view's POST heed ``Idempotency-Key``. Rights and rates are looked at every time.

    With a key or without, it is carried out again where it met the locks of others.
    """

    @wraps(handler)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = _key(request)
        if key is None:
            return persistently(lambda: handler(view, request, *args, **kwargs))
        row = persistently(lambda: _claim(request, key))
        if row.status is not None:
            return _replay(request, row)
        return _carry_out(view, row, lambda: handler(view, request, *args, **kwargs))

    cast(Any, answer).is_idempotent = True
    return cast(Handler, answer)


def _key(request: Request) -> str | None:
    text = request.headers.get(HEADER)
    if text is None:
        return None
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    key = text[1:-1] if quoted else text
    if not _KEY.fullmatch(key):
        raise InvalidKey(_("A key is visible ASCII characters, for example a UUID."))
    if len(key) > MAX_LENGTH:
        raise InvalidKey(_("A key may have %d characters.") % MAX_LENGTH)
    return key


def _claim(request: Request, key: str) -> IdempotencyKey:
    """The key's row: answered, or to be carried out by us. Raises ``KeyReused``, ``InProgress``."""
    fingerprint = _fingerprint(request)
    owner = "" if request.user.pk is None else str(request.user.pk)
    for _attempt in range(_TRIES):
        now = timezone.now()
        row = IdempotencyKey(
            owner=owner,
            key=key,
            request=f"{request.method} {request.path}"[:255],
            fingerprint=fingerprint,
            locked_until=now + LOCK,
            expires_at=now + api_settings.IDEMPOTENCY_KEY_LIFETIME,
        )
        try:
            with atomic():
                row.save(force_insert=True)
            return row
        except IntegrityError:
            found = IdempotencyKey.objects.filter(owner=owner, key=key).first()
        if found is None:
            continue  # what held it failed just now
        over = found.status is not None or found.locked_until <= now
        if over and found.expires_at <= now:
            _mine(found).delete()
        elif found.fingerprint != fingerprint:
            raise KeyReused()
        elif found.status is not None or _take_over(found):
            return found
        else:
            break
    raise InProgress()


def _fingerprint(request: Request) -> str:
    """A digest of method, address and body; of what the body says, not of how it is spaced."""
    body = json.dumps(request.data, sort_keys=True, default=repr)
    return sha256(f"{request.method} {request.get_full_path()}\n{body}".encode()).hexdigest()


def _take_over(row: IdempotencyKey) -> bool:
    """Whether the worker that had it is dead; then it is ours."""
    now = timezone.now()
    if row.locked_until > now:
        return False
    row.locked_until = now + LOCK
    taken = _mine(row).update(fence=F("fence") + 1, locked_until=row.locked_until)
    row.fence += 1
    return bool(taken)


def _mine(row: IdempotencyKey) -> Any:
    """The row, as long as nobody else has taken it over."""
    return IdempotencyKey.objects.filter(pk=row.pk, fence=row.fence)


def _carry_out(view: Any, row: IdempotencyKey, work: Callable[[], Response]) -> Response:
    try:
        response = persistently(lambda: _answered(row, work))
    except Exception as error:
        response = view.handle_exception(error)
        _keep_refusal(row, response)
    return response


def _answered(row: IdempotencyKey, work: Callable[[], Response]) -> Response:
    with atomic():
        response = work()
        if not _keep(row, response):
            raise InProgress()
    return response


def _keep(row: IdempotencyKey, response: Response) -> bool:
    """Keep the answer; whether the request was still ours to answer."""
    kept = {
        "status": response.status_code,
        "headers": {name: response[name] for name in _KEPT_HEADERS if name in response},
        "body": JSONRenderer().render(response.data).decode(),
    }
    return bool(_mine(row).filter(status=None).update(**kept))


def _keep_refusal(row: IdempotencyKey, response: Response) -> None:
    """Keep what is wrong with the request; what went wrong with us may go right the next time."""
    connection = connection_of_runs()
    if connection.in_atomic_block and connection.needs_rollback:
        return  # the project's own transaction takes our row back with it
    if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        _keep(row, response)
    else:
        _mine(row).filter(status=None).delete()


def _replay(request: Any, row: IdempotencyKey) -> Response:
    if cast(int, row.status) >= HTTPStatus.BAD_REQUEST:
        request.accepted_renderer = ProblemRenderer()
        request.accepted_media_type = ProblemRenderer.media_type
    headers = {**row.headers, REPLAYED: "true"}
    return Response(json.loads(row.body), status=row.status, headers=headers)
