"""What a feed gives while its source is in good health."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ...checks.feeds import feeds as complaints_about
from ...exceptions import ConfigurationError, EcommerceSyncError
from ...feeds import MISSING, Stream
from ...feeds.mapping import converter
from ...feeds.streams import duration
from ..answers import SampledSource
from ..reading import Reading, as_kept, comparable
from ..rehearsal import Rehearsal, WebRehearsal, configured, needs_samples, rehearsal
from .base import Declaration, fail, some, told

#: From when on changes are asked for; long before any sample, so that all may come.
BEGINNING = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


class ReadingChecks(Declaration):
    """The stream can be read, again and from anywhere."""

    def test_the_configuration_is_sound(self) -> None:
        """The feed can be built, and its streams fit their models."""
        name = self.feed.__name__
        with configured(name, self.feed, self.options):
            entry = {"BACKEND": self.feed, "OPTIONS": self.options}
            found = [
                f"{message.msg} {message.hint or ''}".strip()
                for message in complaints_about({"FEEDS": {name: entry}})
            ]
        if found:
            fail(f"{name} is not configured soundly:\n{some(found)}")

    def test_every_stream_has_samples(self) -> None:
        """The contract has something to rehearse each stream with."""
        try:
            feed = self.feed(**self.options)
        except (ConfigurationError, TypeError):
            pytest.skip("The feed cannot be built; see the check of its configuration.")
        try:
            with rehearsal(self.feed, self.options, self.samples, self.responses):
                pass
        except ConfigurationError as error:
            fail(str(error))
        if self.responses or not needs_samples(feed):
            pytest.skip("The records come from elsewhere.")
        names = [stream.name for stream in feed.streams if stream.name not in self.samples]
        unknown = [name for name in self.samples if name not in {s.name for s in feed.streams}]
        if unknown:
            fail(
                f"There are samples of '{unknown[0]}', but {self.feed.__name__} has no such stream."
            )
        if names:
            fail(
                f"There are no samples of {', '.join(names)}: add some records of the real "
                f"source, samples = {{'{names[0]}': [...]}} or a file, Path(...)."
            )

    def test_a_healthy_source_can_be_read(self, source: Rehearsal, stream: Stream) -> None:
        """Every page can be read, and there are rows."""
        reading = source.read(stream)
        if reading.error and not isinstance(reading.error, EcommerceSyncError):
            raise reading.error  # a mistake in the feed's code: the traceback tells more
        if reading.error is not None:
            fail(
                f"Stream '{stream.name}' cannot be read: {told(reading.error)}."
                f"{asked_for(source)}\nCompare path, records and paginator with what the "
                "source answers."
            )
        if not reading.rows:
            fail(
                f"Stream '{stream.name}' has no rows.{asked_for(source)}\nLook where the "
                f"records are: records='{stream.records}' finds none."
            )

    def test_every_sample_arrives(
        self, source: Rehearsal, stream: Stream, reading: Reading
    ) -> None:
        """No record is lost on the way from page to page."""
        if not isinstance(source, WebRehearsal) or not isinstance(source.source, SampledSource):
            pytest.skip("How many records the source has is known of samples only.")
        if stream.spans_pages or stream.each:
            pytest.skip("Rows are put together or taken apart here: numbers differ.")
        number = len(source.source.rows[stream.name])
        if len(reading.rows) != number:
            fail(
                f"Of {number} samples of stream '{stream.name}', {len(reading.rows)} "
                "arrive. Look at the paginator, and at what fetch leaves out."
            )

    def test_reading_twice_gives_the_same(
        self, source: Rehearsal, stream: Stream, reading: Reading
    ) -> None:
        """A second reading has the same rows in the same order."""
        again = source.read(stream)
        if again.error or comparable(again.rows) != comparable(reading.rows):
            fail(
                f"Stream '{stream.name}' reads differently the second time: "
                f"{difference(reading, again)}. What fetch yields must depend on the source "
                "and the cursor alone."
            )

    def test_reading_goes_on_at_every_cursor(
        self, source: Rehearsal, stream: Stream, reading: Reading
    ) -> None:
        """From each page's cursor on comes just what came after that page."""
        ends = [n for n, _ in enumerate(reading.sheets) if rows_after(reading, n)]
        if not ends:
            pytest.skip("One page has everything: there is nowhere to go on.")
        for number in ends:
            cursor = reading.sheets[number].cursor
            place = f"Page {number + 1} of stream '{stream.name}'"
            if cursor is None:
                fail(
                    f"{place} has no cursor, though more follows: a run cut off there would "
                    "begin anew. Yield Page(rows, cursor=...)."
                )
            rest = source.read(stream, kept(cursor, place))
            if rest.error or comparable(rest.rows) != rows_after(reading, number):
                expected = Reading(reading.sheets[number + 1 :])
                fail(
                    f"{place} has the cursor {cursor!r}, but what fetch gives from there is "
                    f"not what comes after that page: {difference(expected, rest)}."
                )

    def test_an_empty_source_has_no_rows(self, web: WebRehearsal, stream: Stream) -> None:
        """A source with nothing to give is read without a crash, and without rows."""
        try:
            empty = web.source.emptied()
        except Exception as error:  # a document of a form that only the author knows
            pytest.skip(f"Nobody knows how the source says that it is empty: {error}")
        empty.url = web.source.url
        reading = web.read_from(empty, stream)
        if reading.error is not None:
            fail(
                f"Stream '{stream.name}' of an empty source breaks: {told(reading.error)}. Have "
                "it read as no rows; a run then says feed_empty, or goes on with allow_empty."
            )
        if reading.rows:
            fail(f"Stream '{stream.name}' has {len(reading.rows)} rows of an empty source.")

    def test_only_changes_are_asked_for(self, web: WebRehearsal, stream: Stream) -> None:
        """With ``since``, every first request carries the time less the overlap, others none."""
        since = stream.since
        if since is None or not since.param:
            pytest.skip("The stream asks for no changes: it has no Since with a param.")
        web.read(stream)
        if any(since.param in request.query for request in web.requests):
            fail(f"A full run of '{stream.name}' sends {since.param}, too: it would lose rows.")
        web.read(replace(stream, since=replace(since, start=BEGINNING)))
        moment = BEGINNING - duration(since.overlap)
        epoch = since.format == "epoch"
        expected = str(int(moment.timestamp())) if epoch else moment.strftime(since.format)
        sent = web.requests[0].query.get(since.param) if web.requests else None
        if sent != expected:
            fail(
                f"Stream '{stream.name}' sends {since.param}={sent} for changes since "
                f"{BEGINNING:%Y-%m-%dT%H:%M:%SZ}; less the overlap of {since.overlap} that is "
                f"{expected}. Have fetch send stream.since.value."
            )

    def test_records_say_when_they_changed(self, stream: Stream, reading: Reading) -> None:
        """The field of ``Since`` is in the records."""
        if stream.since is None:
            pytest.skip("The stream has no Since.")
        field = converter(stream.since.field)
        silent = [n for n, row in enumerate(reading.payloads, 1) if nothing(field.extract(row))]
        if silent:
            fail(
                f"Since looks for '{stream.since.field}', which record {silent[0]} of stream "
                f"'{stream.name}' does not carry. Name the field that says when it changed."
            )


def asked_for(source: Rehearsal) -> str:
    """The last request, as the end of a sentence."""
    return f"\nThe feed asked for {source.requests[-1].path}." if source.requests else ""


def rows_after(reading: Reading, number: int) -> list[Any]:
    """The rows of the pages after this one."""
    return comparable(Reading(reading.sheets[number + 1 :]).rows)


def kept(cursor: Any, place: str) -> Any:
    """The cursor as the database gives it back."""
    try:
        return as_kept(cursor)
    except TypeError as error:
        fail(f"{place} has a cursor that is no JSON value ({error}); a run keeps it as JSON.")


def difference(expected: Reading, found: Reading) -> str:
    """How two readings differ, in a phrase."""
    if found.error is not None:
        return told(found.error)
    wanted, rows = comparable(expected.rows), comparable(found.rows)
    if len(wanted) != len(rows):
        return f"{len(rows)} rows instead of {len(wanted)}"
    at = next((n for n, pair in enumerate(zip(wanted, rows, strict=True), 1) if pair[0] != pair[1]))
    return f"row {at} is another one"


def nothing(value: Any) -> bool:
    """Whether a value says nothing."""
    return value is MISSING or value is None or value == ""
