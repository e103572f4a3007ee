"""The interface every feed keeps, and how a configured feed is built."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from django.utils.module_loading import import_string

from ..conf import settings
from ..exceptions import ConfigurationError, FeedNotFound
from .records import Page
from .streams import Stream


class FeedSource(ABC):
    """Somewhere records come from. A source of your own needs one method, ``fetch``.

    ``class MyFeed(FeedSource): def fetch(self, stream, cursor): yield Page(rows, cursor=...)``
    """

    #: The kinds of record this feed has, in the order they are synced (orders always last).
    streams: Sequence[Stream] = ()
    #: The names a project may set under ``OPTIONS``; each replaces the class's own attribute.
    option_names: ClassVar[tuple[str, ...]] = ("streams",)
    #: The alias under which the feed is configured; set by ``get_feed``.
    alias: str = ""
    #: Whether ``fetch`` waits for somebody else's server; no database connection is held then.
    is_remote: ClassVar[bool] = False
    #: Records of one stream beyond which a run fails: a source without an end must find one.
    max_records: int = 1_000_000_000

    def __init__(self, **options: Any) -> None:
        for name, value in options.items():
            if name not in self.option_names:
                guess = did_you_mean(name, self.option_names)
                raise ConfigurationError(f"{type(self).__name__} has no option '{name}'{guess}")
            setattr(self, name, value)

    @abstractmethod
    def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
        """Yield the stream's pages in order, beginning at ``cursor`` (None: at the beginning).

        ``cursor`` is a value some ``Page.cursor`` had: a run that was cut off goes on there, so
        reading from it again must give what came after that page. Raises ``FeedError``.
        """

    def parts(self, stream: Stream) -> Sequence[Any]:
        """The stream cut into parts that may be read at the same time, as JSON values.

        Nothing where it cannot be cut, or is not worth it: ``fetch`` reads it then. Asked once a
        run, of a stream that declares ``partitions``.
        """
        return () if stream.partitions is None else stream.partitions.parts(self, stream)

    def fetch_part(self, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        """As ``fetch``, the pages of one of the ``parts``; those of all have every row once."""
        return stream.partitions.fetch(self, stream, part, cursor)  # type: ignore[no-any-return]

    def page_starts(self, stream: Stream) -> Sequence[Any]:
        """The cursors of all the stream's pages, where they can be told before they are read."""
        raise ConfigurationError(f"{type(self).__name__} cannot be cut into ranges of pages.")

    def fetch_pages(self, stream: Stream, start: Any, stop: Any) -> Iterator[Page]:
        """The pages from one cursor up to another, or to the end if that is None."""
        raise ConfigurationError(f"{type(self).__name__} cannot be cut into ranges of pages.")

    def byte_ranges(self, stream: Stream, number: int, least: int) -> Sequence[Any]:
        """Up to ``number`` parts of the stream's file, none shorter than ``least`` bytes."""
        raise ConfigurationError(f"{type(self).__name__} cannot be cut into ranges of bytes.")

    def fetch_bytes(self, stream: Stream, part: Any) -> Iterator[Page]:
        """The rows of one part of the stream's file."""
        raise ConfigurationError(f"{type(self).__name__} cannot be cut into ranges of bytes.")

    def check(self) -> list[str]:
        """What is wrong with this feed's configuration, a sentence each; no I/O."""
        return [] if self.streams else [f"{type(self).__name__} has no streams."]

    def reads(self, stream: Stream) -> Any:
        """Which records the stream has, and what its lack of others means, as plain values.

        Once that is another answer, what was read before proves nothing: watermark and
        validators are given up, and the stream is read as a whole.
        """
        return [stream.path, stream.records, stream.params, stream.since, stream.missing]

    def asks_for_changes(self, stream: Stream) -> bool:
        """Whether ``fetch`` leaves out what did not change since ``stream.since.start``."""
        return stream.since is not None

    def stream(self, name: str) -> Stream:
        """The stream of that name."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        names = [stream.name for stream in self.streams]
        raise ConfigurationError(
            f"Feed '{self.alias}' has no stream '{name}'{did_you_mean(name, names)}"
        )

    def close(self) -> None:  # noqa: B027 - most sources hold on to nothing
        """Give back what ``fetch`` holds on to: connections, spooled files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def get_feed(alias: str) -> FeedSource:
    """A new instance of the feed configured as ``alias``: feeds are built for each run."""
    try:
        configured = settings.FEEDS[alias]
    except KeyError:
        raise FeedNotFound(
            f"No feed is configured as '{alias}'{did_you_mean(alias, settings.FEEDS)}"
        ) from None
    feed = _feed_class(alias, configured)(**configured.get("OPTIONS", {}))
    feed.alias = alias
    return feed


def _feed_class(alias: str, configured: Mapping[str, Any]) -> type[FeedSource]:
    backend = configured.get("BACKEND")
    if isinstance(backend, str):
        try:
            backend = import_string(backend)
        except ImportError as error:
            raise ConfigurationError(
                f"The BACKEND of feed '{alias}' cannot be imported: {error}"
            ) from error
    if not (isinstance(backend, type) and issubclass(backend, FeedSource)):
        raise ConfigurationError(
            f"The BACKEND of feed '{alias}' must be a FeedSource class or its dotted path, "
            f"not {backend!r}."
        )
    return backend


def did_you_mean(name: str, known: Any) -> str:
    """The end of a sentence about an unknown name: a guess, or all that is known."""
    names = list(known)
    guess = difflib.get_close_matches(name, names, n=1)
    if guess:
        return f"; did you mean '{guess[0]}'?"
    return f"; there is: {', '.join(sorted(names))}." if names else "; there are none."
