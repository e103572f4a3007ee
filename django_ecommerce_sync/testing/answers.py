"""What a source in good health answers: made of samples, or as it was recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import msgspec

from ..exceptions import ConfigurationError, FeedError, RecordError
from ..feeds import BadRow, Format, HTTPFeed, NoPages, Paginator, Stream
from . import documents
from .documents import Row, Sample
from .paging import Slice, is_known, page, unknown
from .server import Request, Response

#: The file name that ``wget`` gives an answer has this instead of the question mark.
_QUERY_MARK = "@"


class Source(ABC):
    """Answers requests; ``url`` is the address of the server it stands behind."""

    url: str = ""

    @abstractmethod
    def __call__(self, request: Request) -> Response:
        """The answer to a request."""

    @abstractmethod
    def emptied(self) -> Source:
        """The same source with nothing to give; raises ``ConfigurationError`` if unknown."""


class SampledSource(Source):
    """Answers as the feed's own declaration describes it, with sample records."""

    def __init__(self, feed: HTTPFeed, samples: Mapping[str, Sample]) -> None:
        self.feed = feed
        self.samples = samples
        self.streams = [stream for stream in feed.streams if stream.name in samples]
        self.rows = {stream.name: self._rows(stream) for stream in self.streams}

    def __call__(self, request: Request) -> Response:
        streams = self._asked_for(request)
        if not streams:
            places = ", ".join(sorted({path_of(self.feed, stream) for stream in self.streams}))
            return Response(f"There are samples at {places} only.".encode(), status=404)
        paginator = paginator_of(self.feed, streams[0])
        if not isinstance(paginator, NoPages):
            rows = self.rows[streams[0].name]
            return self._response(streams[:1], page(paginator, request, rows, self.url))
        raw = documents.content(self.samples[streams[0].name])
        return Response(raw) if raw is not None else self._response(streams)

    def emptied(self) -> Self:
        samples: dict[str, Sample] = {}
        for stream in self.streams:
            raw = documents.content(self.samples[stream.name])
            empty = () if raw is None else documents.emptied(raw, self.feed.format, stream)
            samples[stream.name] = empty
        return type(self)(self.feed, samples)

    def _rows(self, stream: Stream) -> Sequence[Row]:
        """The stream's records; raises ``ConfigurationError`` where no pages come of them."""
        paginator, format = paginator_of(self.feed, stream), self.feed.format
        sample = self.samples[stream.name]
        is_document = documents.content(sample) is not None
        if is_document and isinstance(paginator, NoPages):  # it is sent as it is, sound or not
            with suppress(FeedError):
                return documents.records(sample, format, stream)
            return ()
        if not is_known(paginator) and not isinstance(paginator, NoPages):
            raise unknown(paginator)
        documents.encoded(format, {stream.records: []}, {})
        return _sound(sample, format, stream)

    def _asked_for(self, request: Request) -> Sequence[Stream]:
        """The streams in the document asked for: of one address, those whose parameters fit."""
        fitting = [
            stream
            for stream in self.streams
            if path_of(self.feed, stream) == request.path
            and {name: str(value) for name, value in stream.params.items()}.items()
            <= request.query.items()
        ]
        most = max((len(stream.params) for stream in fitting), default=0)
        return [stream for stream in fitting if len(stream.params) == most]

    def _response(self, streams: Sequence[Stream], found: Slice | None = None) -> Response:
        lists: dict[str, Sequence[Row]] = {
            stream.records: self.rows[stream.name] if found is None else found.rows
            for stream in streams
        }
        said = {} if found is None else found.said
        body = documents.encoded(self.feed.format, lists, said)
        return Response(body, documents.headers(said))


class RecordedSource(Source):
    """Answers as the real source once did, by path and query below the feed's base address."""

    def __init__(self, feed: HTTPFeed, answers: Mapping[str, Any] | Path, recorded_at: str) -> None:
        self.feed = feed
        self.answers = answers
        self.recorded_at = recorded_at
        found = answers if isinstance(answers, Mapping) else _files(answers)
        base = urlsplit(feed.base_url).path.rstrip("/")
        self.by_address = {_joined(base, address): answer for address, answer in found.items()}

    def __call__(self, request: Request) -> Response:
        """The answer recorded for this path whose query has most in common with the request's."""
        fitting = [
            (len(query), answer)
            for (path, query), answer in self.by_address.items()
            if path == request.path.rstrip("/") and query <= frozenset(request.query.items())
        ]
        if not fitting:
            return Response(b"Nothing was recorded for this address.", status=404)
        return self._here(request, _response(max(fitting, key=lambda found: found[0])[1]))

    def emptied(self) -> Source:
        return _EmptyRecording(self.feed, self.answers, self.recorded_at)

    def _here(self, request: Request, response: Response) -> Response:
        """The answer with its links to the real source leading to this one."""
        there = "://".join([urlsplit(self.recorded_at).scheme, _host(self.recorded_at)])
        if not _host(self.recorded_at):
            return response
        body = response.body.replace(there.encode(), self.url.encode())
        escaped = there.replace("/", "\\/").encode()
        body = body.replace(escaped, self.url.replace("/", "\\/").encode())
        headers = {name: text.replace(there, self.url) for name, text in response.headers.items()}
        return Response(body, headers, response.status)


class _EmptyRecording(RecordedSource):
    """The same answers without their records."""

    def _here(self, request: Request, response: Response) -> Response:
        for stream in self.feed.streams:
            if path_of(self.feed, stream).rstrip("/") == request.path.rstrip("/"):
                return Response(documents.emptied(response.body, self.feed.format, stream))
        return response


def _sound(sample: Sample, format: Format, stream: Stream) -> list[Row]:
    """The records in a sample, each of which can be read."""
    try:
        rows = documents.records(sample, format, stream)
        for row in rows:
            if isinstance(row, BadRow):
                raise row.error
    except (FeedError, RecordError) as error:
        raise ConfigurationError(
            f"The sample of stream '{stream.name}' cannot be read: {error} Mend the file, or say "
            "where the records are in it: records='…'."
        ) from error
    return rows


def paginator_of(feed: HTTPFeed, stream: Stream) -> Paginator:
    """How the pages of a stream follow each other."""
    paginator: Paginator = stream.paginator or feed.paginator
    return paginator


def path_of(feed: HTTPFeed, stream: Stream) -> str:
    """The path of a stream's first document."""
    return urlsplit(feed.address(stream)).path or "/"


def _files(folder: Path) -> dict[str, Any]:
    """Answers from the files of a folder: ``items@page=2`` or ``items@page=2.json``."""
    found: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            name = file.relative_to(folder).as_posix().replace(_QUERY_MARK, "?", 1)
            found[name] = file
            found.setdefault(name.removesuffix(file.suffix), file)
    if not found:
        raise ConfigurationError(f"There are no recorded answers in {folder}.")
    return found


def _joined(base: str, address: str) -> tuple[str, frozenset[tuple[str, str]]]:
    parts = urlsplit(address)
    path = f"{base}/{parts.path.strip('/')}".rstrip("/")
    return path, frozenset(parse_qsl(parts.query, keep_blank_values=True))


def _response(answer: Any) -> Response:
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, Path):
        return Response(answer.read_bytes())
    if isinstance(answer, bytes | str):
        return Response(answer if isinstance(answer, bytes) else answer.encode())
    return Response(msgspec.json.Encoder(decimal_format="number").encode(answer))


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
