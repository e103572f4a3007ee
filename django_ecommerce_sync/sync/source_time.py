"""When the source changed a record, as the record itself says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from ..exceptions import RecordError
from ..feeds import Payload, Stream
from ..feeds.mapping import converter
from ..feeds.records import MISSING
from .changes import Item
from .clean import point_in_time

#: Clocks differ by minutes and sources confuse time zones; beyond that a time is wrong.
_AHEAD = timedelta(days=1)
_EVER = datetime.min.replace(tzinfo=UTC)


def source_time(stream: Stream) -> Callable[[Payload], datetime | None] | None:
    """A function that finds a record's time of change; None for streams that declare none.

    It gives None where the record has no time or none that can be read: such a record is taken
    as new. A time in the future raises ``RecordError``, for every later change would look older.
    """
    if stream.since is None:
        return None
    source = converter(stream.since.field)

    def changed_at(payload: Payload) -> datetime | None:
        try:
            value = source.extract(payload)
            moment = None if value is MISSING else point_in_time(value)
        except RecordError:
            return None
        if moment is not None and moment > timezone.now() + _AHEAD:
            raise RecordError(
                "future_timestamp",
                f"The source says it was changed at {moment.isoformat()}, which is still to come.",
                field="source_updated_at",
                value=value,
            )
        return moment

    return changed_at


def newest_last(items: Sequence[Item]) -> list[Item]:
    """The items with the newest copy of each record behind its other copies.

    A copy without a time gets that of the newest one before it, here or stored.
    """
    newest: dict[str, datetime | None] = {}
    for item in items:
        known = newest.get(item.external_id, item.known_time)
        item.source_updated_at = item.source_updated_at or known
        newest[item.external_id] = newest_of([item.source_updated_at, known])
    return sorted(items, key=lambda item: item.source_updated_at or _EVER)


def newest_of(times: Iterable[datetime | None]) -> datetime | None:
    """The latest of some times, as far as they are known."""
    return max((time for time in times if time is not None), default=None)
