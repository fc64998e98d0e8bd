"""Completion of handles and names in a shell: of what is there now, quickly, or nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from core import bootstrap
from core.config.settings import Settings
from core.domain.handles import Named, handle_of

_DEADLINE: Final = 1.0
"""Seconds that somebody waits after the Tab key."""
_MOST: Final = 50
_TITLE_CHARS: Final = 60
_HARMLESS: Final = frozenset(" .,-_/+")

Find = Callable[[], Coroutine[Any, Any, Iterable[Named]]]


def complete(
    find: Find, typed: Callable[[str], str] = handle_of
) -> Callable[[str], list[tuple[str, str]]]:
    """What completes the beginning of a handle, for typer: the handles that fit of what `find`
    finds, each with its title. They are none when that fails or takes too long: whoever presses the
    Tab key has not asked why. `find` imports what it needs before it returns its coroutine. `typed`
    makes what people type of an ID: `str`, where that is a name."""

    def completed(incomplete: str) -> list[tuple[str, str]]:
        found: list[Named] = []

        def look(finding: Coroutine[Any, Any, Iterable[Named]]) -> None:
            with suppress(Exception):
                found.extend(asyncio.run(finding))

        with suppress(Exception):
            # A library may block a thread beyond any time-out; this one does not hold up the shell.
            thread = threading.Thread(target=look, args=[find()], daemon=True)
            thread.start()
            thread.join(_DEADLINE)
        handles = {typed(thing.id): _harmless(thing.title) for thing in found}
        return [each for each in handles.items() if each[0].startswith(incomplete)]

    return completed


def _harmless(title: str) -> str:
    """The title in characters that no shell evaluates: zsh gets it within a command."""
    characters = [c if c.isalnum() or c in _HARMLESS else " " for c in title[:_TITLE_CHARS]]
    return "".join(characters).strip()


def open_incidents() -> Coroutine[Any, Any, list[Named]]:
    """The newest incidents that are not closed."""
    return _incidents(include_closed=False)


def all_incidents() -> Coroutine[Any, Any, list[Named]]:
    """The newest incidents, closed ones, too."""
    return _incidents(include_closed=True)


def schedules() -> Coroutine[Any, Any, list[Named]]:
    """The schedules of the on-call file."""

    async def find() -> list[Named]:
        file = bootstrap.oncall(Settings.from_env())
        return [Named(name, each.description) for name, each in file.schedules.items()]

    return find()


def people() -> Coroutine[Any, Any, list[Named]]:
    """The people of the on-call file."""

    async def find() -> list[Named]:
        file = bootstrap.oncall(Settings.from_env())
        return [Named(id, person.name) for id, person in file.people.items()]

    return find()


def heartbeats() -> Coroutine[Any, Any, list[Named]]:
    """The heartbeats of the on-call file."""

    async def find() -> list[Named]:
        file = bootstrap.oncall(Settings.from_env())
        return [Named(name, each.description) for name, each in file.heartbeats.items()]

    return find()


def added_overrides() -> Coroutine[Any, Any, list[Named]]:
    """The overrides that have not ended."""

    from core.operations.oncall_rota import read_added

    async def find() -> list[Named]:
        added = (await read_added(Settings.from_env())).at(datetime.now(UTC))
        return [Named(each.id, f"{each.schedule} {each.why}") for each in added.overrides]

    return find()


def added_silences() -> Coroutine[Any, Any, list[Named]]:
    """The silences and maintenance windows that have not ended."""

    from core.operations.oncall_rota import read_added

    async def find() -> list[Named]:
        added = (await read_added(Settings.from_env())).at(datetime.now(UTC))
        return [Named(each.id, each.why) for each in added.silences]

    return find()


def newest_records() -> Coroutine[Any, Any, list[Named]]:
    """The newest quarantine records, settled ones, too."""
    from core.operations.quarantined import named

    async def find() -> list[Named]:
        listed = await bootstrap.quarantine(Settings.from_env()).listed()
        return [named(each) for each in listed[:_MOST]]

    return find()


def _incidents(*, include_closed: bool) -> Coroutine[Any, Any, list[Named]]:
    from core.adapters.temporal.incident_list import IncidentFilter, list_incidents
    from core.adapters.temporal.incident_names import named

    async def find() -> list[Named]:
        client = await bootstrap.connect(Settings.from_env())
        filter = IncidentFilter(include_closed=include_closed)
        listed, _ = await list_incidents(client, filter, limit=_MOST)
        return [named(incident) for incident in listed]

    return find()
