"""The contract every feed keeps, as a class for pytest."""

try:
    import pytest  # noqa: F401 - only to say what is missing
except ModuleNotFoundError as error:
    raise ImportError(
        "FeedContract is for pytest: install pytest and pytest-django to use it."
    ) from error

from .faults import FaultChecks
from .mapping import MappingChecks
from .reading import ReadingChecks
from .storing import StoringChecks

__all__ = ["FeedContract"]


class FeedContract(StoringChecks, FaultChecks, MappingChecks, ReadingChecks):
    """Checks that any feed passes, or fails with a sentence that says how to mend it.

    ``class TestAcme(FeedContract): feed = AcmeFeed; samples = {"products": [...]}``. pytest
    runs the last base's checks first: what can be read, how it is mapped, what happens when
    the source is ill, what gets stored. Checks that do not apply are skipped with the reason.
    """
