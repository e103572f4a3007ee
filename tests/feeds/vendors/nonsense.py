"""Payloads as no vendor sends them, made of one it does send."""

from django_ecommerce_sync.exceptions import RecordError

NONSENSE = [None, True, 5, -1.5, "", "nonsense", [], {}, [5], ["x"], [None], [[]], {"a": {}}]


def spoiled(record):
    """The record with each of its values, at any depth, replaced by each piece of nonsense."""
    found = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in list(found):
        copies = [*NONSENSE]
        if isinstance(value, dict | list):
            copies += spoiled(value)
        for other in copies:
            copy = record.copy()
            copy[key] = other
            yield copy


def outcomes(stream, key, record):
    """What becomes of the spoiled records: codes of rejections, and the type of what is mapped."""
    found = set()
    for payload in spoiled(record):
        try:
            stream.identify(payload, key)
            values = stream.map(payload)
        except RecordError as error:
            found.add(error.code)
        else:
            found.add(type(values))
    return found
