"""What a record would become in the database, told without looking into it."""

from __future__ import annotations

from ..exceptions import RecordError
from ..feeds import BadRow, Payload, Stream
from .table import Row
from .target import Target


class Preview:
    """Maps and cleans the records of one stream as a sync does.

    Raises ``ConfigurationError`` where the stream does not fit its model.
    """

    def __init__(self, stream: Stream, feed: str) -> None:
        self.stream = stream
        self.target = Target(stream, feed)

    def values(self, row: Payload | BadRow) -> Row:
        """The record's clean values by field name.

        Raises ``RecordError`` for all that a new row would be rejected for, except for what
        depends on other rows: references and identities.
        """
        if isinstance(row, BadRow):
            raise row.error
        if not self.target.identify(row) and self.stream.external_id is not None:
            raise RecordError("required", "The record has no id.", field="external_id")
        values = self.target.values(row)
        self._require(values)
        return values

    def key(self, payload: Payload) -> str:
        """The record's key in its one spelling, "" where it carries none."""
        return self.target.normalize_key(self.stream.key_of(payload, self.target.key))

    def _require(self, values: Row) -> None:
        fields = self.target.table.fields
        for column in self.target.required:
            if fields[column].name not in values:
                raise self.target.lacks(fields[column].name)
