"""The configured feeds: their entries, and their streams against the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from celery.schedules import ParseException, crontab
from django.apps import apps
from django.core.checks import CheckMessage
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from ..conf import settings
from ..exceptions import ConfigurationError
from ..feeds import Archive, FeedSource, HTTPFeed, Stream, get_feed
from ..feeds.mapping import Lines
from ..sync.database import misplaced
from ..sync.ownership import policies_of
from .messages import error, guess, warning

ENTRY_KEYS = ("BACKEND", "OPTIONS", "SCHEDULE", "PRIORITY", "POLICY")
#: As long as the column that keeps the alias.
ALIAS_LENGTH = 64


def cron_complaint(line: Any) -> str:
    """What is wrong with a cron line, or "" if nothing is."""
    if not isinstance(line, str) or len(line.split()) != 5:
        return "A cron line has five fields: minute hour day month weekday."
    try:
        crontab.from_string(line)
    except (ValueError, ParseException) as reason:
        return str(reason)
    return ""


def feeds(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Every feed in turn; one whose entry is wrong is not built."""
    entries = configured.get("FEEDS", {})
    if not isinstance(entries, Mapping):
        return
    for alias, entry in entries.items():
        complaints = list(_entry(alias, entry))
        yield from complaints
        if not complaints:
            yield from _feed(alias)


def _entry(alias: Any, entry: Any) -> Iterator[CheckMessage]:
    """The shape of one feed's configuration."""
    place = f"ECOMMERCE_SYNC['FEEDS'][{alias!r}]"
    if not isinstance(alias, str) or not alias or len(alias) > ALIAS_LENGTH:
        hint = f"An alias is a string of 1 to {ALIAS_LENGTH} characters."
        yield error("008", f"{place} has an alias that cannot be stored.", hint)
    if not isinstance(entry, Mapping) or not entry.get("BACKEND"):
        hint = f'Give it a dict: {{"BACKEND": "path.to.Feed"}} (keys: {", ".join(ENTRY_KEYS)}).'
        yield error("009", f"{place} names no BACKEND.", hint)
        return
    for key in entry:
        if key not in ENTRY_KEYS:
            message = f"{place} has an unknown key {key!r}."
            yield error("010", message, f"{guess(key, ENTRY_KEYS)} A feed's own go into OPTIONS.")
    if not isinstance(entry.get("OPTIONS", {}), Mapping):
        yield error("009", f"{place}['OPTIONS'] must be a dict.", "Give it by option name.")
    complaint = cron_complaint(entry["SCHEDULE"]) if entry.get("SCHEDULE") else ""
    if complaint:
        message = f"{place}['SCHEDULE'] is no cron line: {entry['SCHEDULE']!r}."
        yield error("011", message, f"{complaint} For example: */15 * * * *")
    if type(entry.get("PRIORITY", 0)) is not int:
        message = f"{place}['PRIORITY'] must be a whole number, not {entry['PRIORITY']!r}."
        yield error("020", message, "The feed with the higher one goes first; the default is 0.")
    policy = entry.get("POLICY", {})
    if not isinstance(policy, Mapping) or not all(isinstance(p, Mapping) for p in policy.values()):
        message = f"{place}['POLICY'] must be a dict of dicts."
        yield error("021", message, 'For example: {"products": {"description": "create"}}.')


def _feed(alias: str) -> Iterator[CheckMessage]:
    """The feed itself: whether it can be built, what it says about itself, its streams."""
    hint = f"Mend ECOMMERCE_SYNC['FEEDS']['{alias}']."
    try:
        feed = get_feed(alias)
        complaints = feed.check()
    except ConfigurationError as reason:
        yield error("012", str(reason), hint)
    except Exception as reason:  # whatever a project's own class does: a check must not crash
        message = f"Feed '{alias}' cannot be built: {type(reason).__name__}: {reason}"
        yield error("012", message, hint)
    else:
        for complaint in complaints:
            yield error("013", f"Feed '{alias}': {complaint}", hint)
        yield from _streams(feed)
        yield from _policies(feed)


def _policies(feed: FeedSource) -> Iterator[CheckMessage]:
    """Whether the policies, the feed's own and those of the settings, speak of what there is."""
    names = [stream.name for stream in feed.streams]
    for name in settings.FEEDS[feed.alias].get("POLICY", {}):
        if name not in names:
            message = f"Feed '{feed.alias}' has a policy for the stream '{name}'."
            yield error("021", message, guess(name, names))
    for stream in feed.streams:
        try:
            policies_of(feed.alias, stream)
        except ConfigurationError as reason:
            yield error("021", f"Feed '{feed.alias}': {reason}", "Mend the stream's policy.")


def plain_http(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Feeds that are read without TLS though they do not say that their host is private."""
    for alias in configured:
        try:
            feed = get_feed(alias)
        except ConfigurationError:  # told by ``feeds``
            continue
        if isinstance(feed, HTTPFeed) and feed.is_exposed:
            message = f"Feed '{alias}' is read over plain http: anyone on the way can change it."
            hint = "Use https, or set allow_private_addresses=True where the way is your own."
            yield warning("003", message, hint)


def _streams(feed: FeedSource) -> Iterator[CheckMessage]:
    names = [stream.name for stream in feed.streams]
    for name in sorted({name for name in names if names.count(name) > 1}):
        message = f"Feed '{feed.alias}' has several streams called '{name}'."
        yield error("014", message, "Give each stream a name of its own.")
    for stream in feed.streams:
        yield from _stream(f"Stream '{stream.name}' of feed '{feed.alias}'", stream)


def _stream(place: str, stream: Stream) -> Iterator[CheckMessage]:
    try:
        model = apps.get_model(stream.model_label)
    except (LookupError, ValueError):
        message = f"{place} names the model '{stream.model_label}', which does not exist."
        yield error("015", message, "Write 'app_label.Model', and install the app.")
        return
    try:
        sources = stream.sources
    except ConfigurationError as reason:
        yield error("016", f"{place}: {reason}", "Mend the stream's fields.")
        return
    yield from _fields(place, model, list(sources))
    for name, source in sources.items():
        child = _child(model, name)
        if isinstance(source, Lines) and child:
            yield from _fields(f"{place}, in '{name}',", child, list(source.fields))
    yield from _key(place, model, stream)
    yield from _database(place, model)
    if isinstance(stream.missing, Archive) and not _has_field(model, "archived_at"):
        message = f"{place} archives missing rows, but {model.__name__} has no field 'archived_at'."
        yield error("019", message, "Add archived_at = DateTimeField(null=True), or use Keep().")


def _has_field(model: type[models.Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.concrete_fields)


def _fields(place: str, model: type[models.Model], names: Sequence[str]) -> Iterator[CheckMessage]:
    """Whether the model has columns, or child rows, of these names."""
    known = [field.name for field in model._meta.concrete_fields]
    known += getattr(model, "sync_children", ())
    for name in names:
        if name not in known:
            message = f"{place} maps '{name}', but {model.__name__} has no such field."
            yield error("016", message, guess(name, known))


def _child(model: type[models.Model], name: str) -> type[models.Model] | None:
    """The model of the child rows that go by that name."""
    try:
        related: Any = model._meta.get_field(name).related_model
    except FieldDoesNotExist:
        return None
    return related if isinstance(related, type) else None


def _database(place: str, model: type[models.Model]) -> Iterator[CheckMessage]:
    """Whether rows and runs are in one database, so that both are committed or neither is."""
    if complaint := misplaced(model):
        cure = "Let DATABASE_ROUTERS send both to one database."
        yield error("037", f"{place} {complaint}.", cure)


def _key(place: str, model: type[models.Model], stream: Stream) -> Iterator[CheckMessage]:
    """Whether a record can find its row."""
    key = stream.key or getattr(model, "sync_key", "")
    known = [field.name for field in model._meta.concrete_fields]
    if not key or key not in known:
        message = f"{place} has no key: which field of {model.__name__} identifies a row?"
        yield error("017", message, f"Give it key='…', one of: {', '.join(known)}.")
    elif key not in stream.fields and stream.external_id is None:
        message = f"{place} maps neither its key '{key}' nor an external_id."
        yield error("018", message, f"Add '{key}' to its fields, or give it external_id='…'.")
