"""How alike two rows are: a score between 0 and 100, with reasons a person can check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from django.db import models

#: What each further piece of evidence adds to the strongest one.
_FURTHER_EVIDENCE = 3


class Reason(NamedTuple):
    """One piece of evidence, as strong as ``score``; the sentence repeats no personal data."""

    score: int
    code: str
    sentence: str

    def as_dict(self) -> dict[str, str]:
        """The reason as it is stored and shown."""
        return {"code": self.code, "sentence": self.sentence}


class Likeness(NamedTuple):
    """How alike two rows are, and why; the strongest reason first."""

    score: int
    reasons: tuple[Reason, ...]


NOTHING_ALIKE = Likeness(0, ())


def likeness(reasons: Iterable[Reason]) -> Likeness:
    """The strongest reason counts; each further one makes it a little surer."""
    ordered = tuple(sorted(reasons, reverse=True))
    if not ordered:
        return NOTHING_ALIKE
    score = ordered[0].score + _FURTHER_EVIDENCE * (len(ordered) - 1)
    return Likeness(min(score, 100), ordered)


Profile = TypeVar("Profile")


class Rules(ABC, Generic[Profile]):
    """How duplicates of one model are found: which rows are compared at all, and how."""

    model: ClassVar[type[models.Model]]
    #: The columns looked at to tell which rows to compare.
    key_columns: ClassVar[tuple[str, ...]]
    #: The columns two rows are compared by.
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def keys(self, row: Sequence[Any]) -> Iterator[tuple[str, str]]:
        """Pairs of rule and key of a row (``key_columns``): rows that share one are compared."""

    @abstractmethod
    def profile(self, row: Mapping[str, Any]) -> Profile:
        """A row (``columns``) in the spelling it is compared in."""

    @abstractmethod
    def compare(self, one: Profile, other: Profile) -> Likeness:
        """How alike two rows are."""
