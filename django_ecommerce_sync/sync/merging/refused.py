"""Why a merge or its undoing cannot be."""

from __future__ import annotations

from ...exceptions import EcommerceSyncError


class MergeRefused(EcommerceSyncError):
    """Nothing was written; ``code`` is for programs, the sentence says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
