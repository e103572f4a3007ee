"""What the checks have in common: what the author declares, and the feed in rehearsal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest

from ...exceptions import ConfigurationError
from ...feeds import FeedSource, HTTPFeed, NoPages, Payload, Stream, transport
from ..answers import paginator_of
from ..documents import Sample
from ..reading import Reading
from ..rehearsal import Rehearsal, WebRehearsal, needs_samples, rehearsal, secret_variables

#: What the feed's secrets are while it is rehearsed.
SECRET = "canary-of-the-secret"  # noqa: S105 - it opens nothing


class Declaration:
    """What an author declares about the feed under test."""

    #: The class of the feed, and the ``OPTIONS`` of its configuration.
    feed: type[FeedSource]
    options: ClassVar[Mapping[str, Any]] = {}
    #: For each stream some records, or the path of a document as the source sends it.
    samples: ClassVar[Mapping[str, Sample]] = {}
    #: Instead of samples: answers of the real source by path and query below the feed's base
    #: address, or a folder with a file for each.
    responses: ClassVar[Mapping[str, Any] | Path | None] = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a check that looks at a stream once for each."""
        if "stream" in metafunc.fixturenames:
            metafunc.parametrize("stream", self._stream_names(), indirect=True)

    def _stream_names(self) -> list[str]:
        try:
            return [stream.name for stream in self.feed(**self.options).streams]
        except Exception:  # the check of the configuration tells it
            return ["-"]

    @pytest.fixture
    def waits(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The seconds the feed would have waited between attempts; it does not wait."""
        waited: list[float] = []
        monkeypatch.setattr(transport, "sleep", waited.append)
        return waited

    @pytest.fixture
    def source(self, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[Rehearsal]:
        """The feed in rehearsal; skips where it cannot be built."""
        try:
            for variable in secret_variables(self.feed(**self.options)):
                monkeypatch.setenv(variable, SECRET)
            rehearsed = rehearsal(self.feed, self.options, self.samples, self.responses)
            with rehearsed as source:
                yield source
        except (ConfigurationError, TypeError) as error:
            pytest.skip(f"The feed cannot be rehearsed: {error}")

    @pytest.fixture
    def stream(self, source: Rehearsal, request: pytest.FixtureRequest) -> Stream:
        """A stream that can be read; skips those without samples."""
        if request.param not in self._sampled(source):
            pytest.skip(f"There are no samples of stream '{request.param}'.")
        return source.feed().stream(request.param)

    def _sampled(self, source: Rehearsal) -> list[str]:
        """The streams that there are records of."""
        feed = source.feed()
        names = [stream.name for stream in feed.streams]
        if self.responses or not (self.samples or needs_samples(feed)):
            return names
        return [name for name in names if name in self.samples]

    @pytest.fixture
    def reading(self, source: Rehearsal, stream: Stream) -> Reading:
        """The stream as a healthy source gives it; skips where it cannot be read."""
        reading = source.read(stream)
        if reading.error is not None or not reading.payloads:
            pytest.skip(f"A healthy source cannot be read; see {FIRST_CHECK}.")
        return reading

    @pytest.fixture
    def payloads(self, reading: Reading) -> list[Payload]:
        """The stream's records as the feed hands them over."""
        return reading.payloads

    @pytest.fixture
    def web(self, source: Rehearsal) -> WebRehearsal:
        """The feed, if it speaks to a web server."""
        if not isinstance(source, WebRehearsal):
            pytest.skip("The feed reads its own source, not a web server of the contract.")
        return source

    @pytest.fixture
    def paged(self, source: Rehearsal, stream: Stream, reading: Reading) -> Reading:
        """A reading of several pages."""
        feed = source.feed()
        if isinstance(feed, HTTPFeed) and isinstance(paginator_of(feed, stream), NoPages):
            pytest.skip("The stream is one document, without pages.")
        if len([sheet for sheet in reading.sheets if sheet.rows]) < 2:
            pytest.skip("One page has everything; give two samples or more.")
        return reading


FIRST_CHECK = "test_a_healthy_source_can_be_read"


def fail(sentence: str) -> NoReturn:
    """Fail with this sentence alone: where in the contract it stands helps nobody."""
    pytest.fail(sentence, pytrace=False)


def told(error: Exception | None) -> str:
    """An error as a phrase without its full stop: its code, if it has one, and what it says."""
    code = getattr(error, "code", type(error).__name__)
    return f"{code}: {str(error).rstrip('.')}"


def some(lines: list[str]) -> str:
    """The first three of several complaints, each on a line of its own."""
    more = [f"… and {len(lines) - 3} more."] if len(lines) > 3 else []
    return "\n".join(f"  {line}" for line in [*lines[:3], *more])
