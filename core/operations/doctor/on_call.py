"""The checks of who is on call: the file, people's contact methods, calendars, schedules, and what
was added at run time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from core import bootstrap
from core.adapters.notifiers.addresses import check_addresses
from core.adapters.temporal import heartbeats
from core.adapters.temporal.on_call import read_state
from core.config.settings import Settings
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.gaps import findings, unset
from core.domain.text import counted
from core.errors import SettingsError, TidegateError
from core.operations.doctor.checks import Check, Code, failed

if TYPE_CHECKING:
    from temporalio.client import Client

_SHOWN: Final = 5
"""How many of many findings are shown."""


async def check_on_call(settings: Settings, file: OnCallFile) -> AsyncIterator[Check]:
    """The checks of a valid file."""
    people, schedules = len(file.people), len(file.schedules)
    detail = f"{counted(people, 'person', 'people')}, {counted(schedules, 'schedule')}"
    yield Check(Code.ONCALL, "on call", "ok", detail)
    for check in _contacts(settings, file):
        yield check
    # Without a place for copies: doctor writes nothing.
    calendars = await bootstrap.calendars(replace(settings, reports=None)).read(file)
    for check in _calendars(file, calendars):
        yield check
    yield _schedules(file, calendars)


def _contacts(settings: Settings, file: OnCallFile) -> Iterator[Check]:
    addresses = bootstrap.addresses(settings, file.targets)
    try:
        check_addresses(file.targets, addresses)
    except SettingsError as error:
        yield failed(Code.CONTACTS, "contacts", error)
        return
    except ImportError:
        pass  # apprise is installed where the incident worker is, and need not be here
    if missing := unset(file, bootstrap.target_variables(settings)):
        shown = [
            f"{name} has no address ({' and '.join(variables)} not set)"
            for name, variables in missing.items()
        ]
        fix = "set these variables for the incident worker"
        yield Check(Code.CONTACTS, "contacts", "warning", _some(shown), fix)
        return
    detail = counted(sum(map(len, addresses.values())), "address", "addresses")
    yield Check(Code.CONTACTS, "contacts", "ok", detail)


def _calendars(file: OnCallFile, calendars: Calendars) -> Iterator[Check]:
    layers = [layer for schedule in file.schedules.values() for layer in schedule.layers]
    sources = {each.source for layer in layers for each in layer.calendars}
    remarks = [each for some in calendars.remarks.values() for each in some]
    if remarks:
        fix = "correct its address or the variable that has it, or wait until it can be read"
        yield Check(Code.CALENDARS, "calendars", "warning", _some(remarks), fix)
    elif sources:
        yield Check(Code.CALENDARS, "calendars", "ok", f"{counted(len(sources), 'calendar')} read")


def _schedules(file: OnCallFile, calendars: Calendars) -> Check:
    found = [str(each) for each in findings(file, datetime.now(UTC), calendars)]
    if not found:
        return Check(Code.SCHEDULES, "schedules", "ok", "somebody is on call at any time of a year")
    fix = "tidegate oncall check shows them all"
    return Check(Code.SCHEDULES, "schedules", "warning", _some(found), fix)


async def check_state(client: Client) -> Check:
    """Whether what was added at run time can be read; who is paged depends on it."""
    try:
        state = (await read_state(client)).at(datetime.now(UTC))
    except TidegateError as error:
        return failed(Code.ONCALL_STATE, "overrides and silences", error)
    overrides, silences = len(state.overrides), len(state.silences)
    detail = f"{counted(overrides, 'override')}, {counted(silences, 'silence')}"
    return Check(Code.ONCALL_STATE, "overrides and silences", "ok", detail)


async def check_heartbeats(client: Client, file: OnCallFile) -> Check:
    """Whether all that are declared have begun: one that has not is never missed."""
    code, name = Code.HEARTBEATS, "heartbeats"
    try:
        running = {each.name for each in await heartbeats.running(client)}
    except TidegateError as error:
        return failed(code, name, error)
    if missing := [each for each in file.heartbeats if each not in running]:
        detail = f"nobody is paged if one of these is missed: {_some(missing)}"
        return Check(code, name, "warning", detail, "tidegate heartbeats sync")
    return Check(code, name, "ok", f"{counted(len(file.heartbeats), 'heartbeat')}, all begun")


def _some(texts: list[str]) -> str:
    more = len(texts) - _SHOWN
    return "; ".join([*texts[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
