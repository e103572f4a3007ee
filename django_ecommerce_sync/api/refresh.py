"""What a request for runs means: which feeds, which of their streams, one run for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound

from .. import sync
from ..conf import settings
from ..exceptions import ConfigurationError
from ..feeds import get_feed
from ..models import SyncRun
from .problems import Conflict, FieldProblem, InvalidBody

Plan = list[tuple[str, list[str]]]


def request_runs(
    *,
    feeds: Sequence[str] = (),
    streams: Sequence[str] = (),
    full: bool,
    dry_run: bool,
    plan: bool,
    requested_by: Any,
) -> list[SyncRun]:
    """A run for each feed, queued now or before; nothing is queued if any name is wrong."""
    runs, queued = [], []
    for feed, wanted in _plan(feeds, streams):
        try:
            run, created = sync.request_run(
                feed,
                streams=wanted,
                full=full,
                dry_run=dry_run,
                plan=plan,
                trigger="api",
                requested_by=requested_by,
            )
        except ConfigurationError as error:
            raise Conflict(str(error), "feed_misconfigured") from error
        if created:
            queued.append(run)
        runs.append(run)
    if queued:
        sync.dispatch(*queued)
    sync.dispatch_lost()
    for run in queued:
        run.refresh_from_db(fields=["status"])
    return runs


def _plan(feeds: Sequence[str], streams: Sequence[str]) -> Plan:
    """Feeds with their streams. A feed nobody named is left out if it has none of the streams."""
    unknown = [feed for feed in feeds if feed not in settings.FEEDS]
    if unknown:
        raise NotFound(_("No feed is configured as '%s'.") % unknown[0], "feed_not_found")
    if not settings.FEEDS:
        raise NotFound(_("No feed is configured."), "feed_not_found")
    plan = [(feed, _streams(feed, streams)) for feed in dict.fromkeys(feeds or settings.FEEDS)]
    if streams:
        _check_streams(plan, streams, named=bool(feeds))
        plan = [(feed, wanted) for feed, wanted in plan if wanted]
    return plan


def _streams(feed: str, streams: Sequence[str]) -> list[str]:
    if not streams:
        return []
    try:
        known = {stream.name for stream in get_feed(feed).streams}
    except ConfigurationError as error:
        raise Conflict(str(error), "feed_misconfigured") from error
    return [stream for stream in dict.fromkeys(streams) if stream in known]


def _check_streams(plan: Plan, streams: Sequence[str], *, named: bool) -> None:
    """Every stream must be known to some feed; to every feed, if feeds were named."""
    for index, stream in enumerate(streams):
        having = [feed for feed, wanted in plan if stream in wanted]
        if not having or (named and len(having) < len(plan)):
            detail = _("There is no stream '%s'.") % stream[:64]
            raise InvalidBody([FieldProblem(f"/streams/{index}", "unknown_stream", detail)])
