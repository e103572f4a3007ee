"""What a feed does while its source is ill."""

from __future__ import annotations

import json
import time

import pytest

from ...exceptions import FeedError, FeedUnreachable
from ...feeds import Stream
from .. import faults
from ..reading import Reading, comparable
from ..rehearsal import WebRehearsal, secret_variables
from .base import SECRET, Declaration, fail, told
from .reading import difference

#: Requests for one page beyond which a feed does not try again but pester.
MAX_TRIES = 10
#: Seconds the feed is given for an answer that never comes, and for all its attempts together.
TIMEOUT = 0.05
ENOUGH = 2.5


class FaultChecks(Declaration):
    """A source's illness fails the run with its reason; what was read before is kept."""

    def test_a_repeated_page_is_noticed(
        self, web: WebRehearsal, stream: Stream, paged: Reading
    ) -> None:
        """A source that gives the same page for ever is left, with an error."""
        reading = web.read_ill(stream, faults.stuck)
        if getattr(reading.error, "code", "") != "pagination_loop":
            fail(
                f"The source of stream '{stream.name}' gives its first page again and again, and "
                f"the feed {outcome(reading)} after {len(web.requests)} requests. It must raise "
                "FeedError('pagination_loop', ...) when a page or a cursor comes back."
            )

    def test_too_many_requests_are_waited_out(
        self, web: WebRehearsal, stream: Stream, reading: Reading, waits: list[float]
    ) -> None:
        """After a 429 the feed waits as long as it was asked to, and gets every row."""
        waits.clear()
        found = web.read_ill(stream, faults.busy_at_first)
        if found.error or comparable(found.rows) != comparable(reading.rows):
            fail(
                f"The source of stream '{stream.name}' says 429 Too Many Requests now and then, "
                f"and the feed does not get every row: {difference(reading, found)}. Make "
                "requests through HTTPFeed, which waits and tries again."
            )
        if not any(wait >= faults.RETRY_AFTER for wait in waits):
            fail(
                f"The source asks to be left alone for {faults.RETRY_AFTER} s (Retry-After), but "
                f"stream '{stream.name}' waits {max(waits, default=0):.1f} s at most."
            )

    def test_a_source_that_keeps_failing_fails_the_run(
        self, web: WebRehearsal, stream: Stream, reading: Reading
    ) -> None:
        """Status 500 for ever is a ``FeedError`` after a few attempts, never an empty feed."""
        found = web.read_ill(stream, faults.broken)
        expect(FeedError, found, stream, "answers every request with status 500")
        if len(web.requests) > MAX_TRIES:
            fail(
                f"Stream '{stream.name}' asks {len(web.requests)} times for what fails each "
                f"time; {MAX_TRIES} is too often already."
            )

    def test_a_silent_source_times_out(
        self, web: WebRehearsal, stream: Stream, reading: Reading
    ) -> None:
        """A source that never answers is ``FeedUnreachable`` once the timeout is over."""
        begun = time.monotonic()
        found = web.with_timeout(TIMEOUT).read_ill(stream, faults.silent)
        seconds = time.monotonic() - begun
        expect(FeedUnreachable, found, stream, "never answers")
        if seconds > ENOUGH:
            fail(
                f"Stream '{stream.name}' waits {seconds:.1f} s for a source that never answers, "
                f"with a timeout of {TIMEOUT} s. Give every request the feed's timeout."
            )

    def test_a_refusal_is_told(self, web: WebRehearsal, stream: Stream, reading: Reading) -> None:
        """Status 401 is ``FeedUnreachable``: nobody is let in, which is not the same as empty."""
        found = web.read_ill(stream, faults.refusing)
        expect(FeedUnreachable, found, stream, "refuses the feed with status 401")

    def test_a_document_cut_short_is_not_used(
        self, web: WebRehearsal, stream: Stream, reading: Reading
    ) -> None:
        """Of an answer that breaks off nothing is used."""
        found = web.read_ill(stream, faults.cut_short)
        expect(FeedError, found, stream, "breaks off in the middle of its answer")
        if found.rows:
            fail(
                f"Stream '{stream.name}' hands over {len(found.rows)} rows of an answer that "
                "broke off: read it to its end before the first row is used."
            )

    def test_a_login_page_is_no_empty_feed(
        self, web: WebRehearsal, stream: Stream, reading: Reading
    ) -> None:
        """An HTML page with status 200 is a ``FeedError``."""
        found = web.read_ill(stream, faults.logged_out)
        expect(FeedError, found, stream, "answers with a login page")

    def test_a_crash_at_any_page_loses_nothing(
        self, web: WebRehearsal, stream: Stream, paged: Reading
    ) -> None:
        """Where the source breaks down between pages, reading goes on there once it is back."""
        web.read(stream)
        for good in range(1, len(web.requests)):
            before = web.read_ill(stream, faults.broken_after(good))
            if before.error is None:
                fail(
                    f"The source of stream '{stream.name}' breaks down after {good} requests, "
                    f"and the feed ends as if it had all: {len(before.rows)} of "
                    f"{len(paged.rows)} rows. Let FeedError through."
                )
            after = web.read(stream, before.cursor)
            found = Reading([*before.sheets, *after.sheets], after.error)
            if after.error or comparable(found.rows) != comparable(paged.rows):
                fail(
                    f"The source of stream '{stream.name}' breaks down after {good} requests; "
                    f"what was read before and what is read from the cursor on is not the "
                    f"whole: {difference(paged, found)}."
                )

    def test_secrets_stay_secret(
        self,
        web: WebRehearsal,
        stream: Stream,
        reading: Reading,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The secret is in no error, no cursor, no log line and no output."""
        if not secret_variables(web.feed()):
            pytest.skip("The feed has no auth, and so no secret.")
        caplog.set_level("DEBUG")
        for fault in (faults.refusing, faults.broken, faults.logged_out, faults.cut_short):
            error = web.read_ill(stream, fault).error
            if SECRET in f"{error!s}{error!r}{vars(error) if error else ''}":
                fail(
                    f"An error of stream '{stream.name}' has the secret in it ({type(error)}): "
                    "it would be stored with the run. Say the host and the path, no more."
                )
        if SECRET in json.dumps([sheet.cursor for sheet in reading.sheets], default=str):
            fail(f"A cursor of stream '{stream.name}' has the secret in it; it is stored.")
        if SECRET in caplog.text or SECRET in "".join(capsys.readouterr()):
            fail(f"Reading stream '{stream.name}' prints the secret, or logs it.")


def expect(kind: type[FeedError], reading: Reading, stream: Stream, illness: str) -> None:
    """Fail unless the reading ended with that kind of error."""
    if not isinstance(reading.error, kind):
        fail(
            f"The source of stream '{stream.name}' {illness}, and the feed {outcome(reading)}. "
            f"It must raise {kind.__name__}."
        )


def outcome(reading: Reading) -> str:
    """How a reading ended, as the end of a sentence."""
    if reading.error is not None:
        return f"raises {told(reading.error)}"
    return f"ends well, with {len(reading.rows)} rows"
