"""Every command of `tidegate`, with the bad inputs that it can be given, and how it must end.

`COMMANDS` has each command by its path: arguments that are valid, and what it can be given wrongly.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NoReturn
from uuid import uuid4

import typer

from core import bootstrap
from core.cli.main import app
from core.config.settings import Settings
from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from tests.support.cli import Result
from tests.support.workflows_port import MemoryWorkflows

HALF: Final = "version: 1\nroutes:\n  - {name: half, match: {exact: {type: a}}, workf\n"
"""What is left of a YAML file whose writing was interrupted."""

FILE: Final = "FILE"
"""Among the arguments: a file that is there."""
HALF_FILE: Final = "HALF_FILE"
"""Among the arguments: a file with `HALF` in it."""
ID: Final = "ID"
"""Among the arguments: what names an incident or a quarantine record."""

FUNCTION: Final = "arn:aws:lambda:eu-west-1:123456789012:function:tidegate-workers:1"


class Bad(StrEnum):
    """A kind of bad input."""

    TYPO = "an option with a typo"
    NO_SERVER = "no address of Temporal"
    NO_PORT = "an address of Temporal without a port"
    NAMESPACE = "a namespace that does not exist"
    NO_QUARANTINE = "no quarantine"
    NO_CONTAINER = "a quarantine that is no place"
    NO_STACK = "no stack in this folder"
    SEVERAL = "an ID that fits two"
    UNKNOWN = "an ID that fits none"
    HALF_FILE = "a half-written file"
    NO_JSON = "an export that is not JSON"
    HALF_ROUTES = "a half-written routing table"
    HALF_WEBHOOKS = "half-written webhooks"
    HALF_ONCALL = "a half-written on-call file"
    NO_ONCALL = "no on-call file"
    NO_SCHEDULE = "a schedule that does not exist"
    NO_PERSON = "a person who does not exist"
    NO_REASON = "a silence without a reason"
    NO_MATCH = "a silence of nothing in particular"
    ENDLESS = "a time that never ends"
    PAST = "a time in the past"
    NOBODY = "an empty --by"
    SOURCE = "a source in --by"


TEMPORAL: Final = frozenset({Bad.NO_SERVER, Bad.NO_PORT, Bad.NAMESPACE})
ONE_INCIDENT: Final = TEMPORAL | {Bad.SEVERAL, Bad.UNKNOWN}
PERSON: Final = frozenset({Bad.NOBODY, Bad.SOURCE})
PLACE: Final = frozenset({Bad.NO_QUARANTINE, Bad.NO_CONTAINER})
ON_CALL: Final = frozenset({Bad.HALF_ONCALL, Bad.NO_ONCALL})
RECORD: Final = PLACE | {Bad.SEVERAL, Bad.UNKNOWN}
NOTHING: Final[frozenset[Bad]] = frozenset()


@dataclass(frozen=True, slots=True)
class Command:
    """Arguments that are valid, and the kinds of bad input besides a typo that are possible."""

    arguments: tuple[str, ...] = ()
    takes: frozenset[Bad] = NOTHING
    more: Mapping[Bad, tuple[str, ...]] = field(default_factory=dict)
    """Arguments that stand in for `arguments` where the input is of that kind."""


ONCALL: Final = """
version: 1
people:
  ana: {name: Ana, time_zone: UTC}
  ben: {name: Ben, time_zone: UTC}
schedules:
  checkout:
    time_zone: UTC
    layers: [{name: all, rotation: {people: [ana, ben], every: week, start: 2026-01-05}}]
"""
"""An on-call file in which the names of these arguments are."""

_NO_SCHEDULE: Final = {Bad.NO_SCHEDULE: ("nowhere",)}


def _override(*more: str, person: str = "ben", schedule: str = "checkout") -> tuple[str, ...]:
    return (schedule, "--person", person, *more)


def _of_incident(*more: str) -> Command:
    return Command((ID, *more), ONE_INCIDENT | PERSON)


COMMANDS: Final = {
    "demo": Command(),  # which uses no settings
    "dev": Command((), frozenset({Bad.HALF_ROUTES, Bad.HALF_WEBHOOKS})),
    "send": Command((FILE,), frozenset({Bad.NO_STACK})),
    "explain": Command(
        (FILE,),
        frozenset({Bad.HALF_ROUTES, Bad.HALF_WEBHOOKS}),
        {Bad.HALF_WEBHOOKS: (FILE, "--hook", "in")},
    ),
    "setup": Command((), TEMPORAL),
    "doctor": Command(),  # which reports what is wrong, and does not end with it
    "worker": Command(("root-worker",)),  # whose log says what is wrong
    "smoke": Command(
        (
            *("--aws", "--only", "webhook", "--hook", "in"),
            *("--webhooks", "http://127.0.0.1:1/hooks/", "--quarantine", "file:///nowhere/"),
        ),
        frozenset({Bad.HALF_WEBHOOKS}),
    ),
    "routes check": Command(
        (),
        frozenset({Bad.HALF_FILE, Bad.HALF_ROUTES}),
        {Bad.HALF_FILE: (HALF_FILE,)},
    ),
    "routes schema": Command(),
    "policies check": Command((), frozenset({Bad.HALF_FILE}), {Bad.HALF_FILE: (HALF_FILE,)}),
    "policies explain": Command(
        (), frozenset({Bad.HALF_FILE}), {Bad.HALF_FILE: ("--file", HALF_FILE)}
    ),
    "policies schema": Command(),
    "webhooks check": Command(
        (), frozenset({Bad.HALF_FILE, Bad.HALF_WEBHOOKS}), {Bad.HALF_FILE: (HALF_FILE,)}
    ),
    "webhooks schema": Command(),
    "contract python": Command(),
    "contract typescript": Command(),
    "contract go": Command(),
    "contract json-schema": Command(),
    "quarantine list": Command((), PLACE),
    "quarantine show": Command((ID,), RECORD),
    "quarantine replay": Command((ID,), RECORD | TEMPORAL | {Bad.HALF_ROUTES}),
    "quarantine delete": Command((ID, "--yes"), RECORD),
    "incident list": Command((), TEMPORAL),
    "incident show": Command((ID,), ONE_INCIDENT),
    "incident report": Command((ID,), ONE_INCIDENT),
    "incident ack": _of_incident(),
    "incident acknowledge": _of_incident(),
    "incident unack": _of_incident(),
    "incident escalate": _of_incident(),
    "incident assign": _of_incident("--to", "ben"),
    "incident comment": _of_incident("a comment"),
    "incident severity": _of_incident("high"),
    "incident snooze": Command(
        (ID, "30m"),
        ONE_INCIDENT | PERSON | {Bad.PAST},
        {Bad.PAST: (ID, "--until", "2020-01-02T03:04:05Z")},
    ),
    "incident mitigate": _of_incident(),
    "incident resolve": _of_incident(),
    "incident reopen": _of_incident(),
    "incident open": Command(
        ("It burns",),
        TEMPORAL | PERSON | PLACE | {Bad.SEVERAL, Bad.UNKNOWN, Bad.HALF_ROUTES},
        {Bad.SEVERAL: ("--follows", ID), Bad.UNKNOWN: ("--follows", ID)},
    ),
    "incident close": _of_incident(),
    "oncall import": Command(
        ("pagerduty", FILE), frozenset({Bad.NO_JSON}), {Bad.NO_JSON: ("pagerduty", HALF_FILE)}
    ),
    "incident silence": Command(
        (ID, "--for", "2h", "--why", "known"),
        ONE_INCIDENT | PERSON | {Bad.PAST, Bad.NO_REASON, Bad.ENDLESS},
        {
            Bad.PAST: (ID, "--until", "2020-01-02T03:04:05Z", "--why", "known"),
            Bad.NO_REASON: (ID, "--for", "2h"),
            Bad.ENDLESS: (ID, "--why", "known"),
        },
    ),
    "oncall now": Command((), TEMPORAL | ON_CALL | {Bad.NO_SCHEDULE}, _NO_SCHEDULE),
    "oncall next": Command(
        (),
        TEMPORAL | ON_CALL | {Bad.NO_SCHEDULE, Bad.NO_PERSON},
        {**_NO_SCHEDULE, Bad.NO_PERSON: ("--file", "oncall.yaml", "--person", "nobody")},
    ),
    "oncall show": Command(("checkout",), TEMPORAL | ON_CALL | {Bad.NO_SCHEDULE}, _NO_SCHEDULE),
    "oncall explain": Command(("checkout",), TEMPORAL | ON_CALL | {Bad.NO_SCHEDULE}, _NO_SCHEDULE),
    "oncall override": Command(
        _override("--for", "2h"),
        TEMPORAL | ON_CALL | PERSON | {Bad.NO_SCHEDULE, Bad.NO_PERSON, Bad.PAST, Bad.ENDLESS},
        {
            Bad.NO_SCHEDULE: _override("--for", "2h", schedule="nowhere"),
            Bad.NO_PERSON: _override("--for", "2h", person="nobody"),
            Bad.PAST: _override("--from", "2020-01-01T00:00:00Z", "--for", "2h"),
            Bad.ENDLESS: _override(),
        },
    ),
    "oncall swap": Command(
        ("checkout", "ana", "ben", "--yes"),
        TEMPORAL | ON_CALL | PERSON | {Bad.NO_SCHEDULE, Bad.NO_PERSON},
        {
            Bad.NO_SCHEDULE: ("nowhere", "ana", "ben", "--yes"),
            Bad.NO_PERSON: ("checkout", "ana", "nobody", "--yes"),
        },
    ),
    "oncall overrides list": Command((), TEMPORAL | ON_CALL | {Bad.NO_SCHEDULE}, _NO_SCHEDULE),
    "oncall overrides remove": Command(("k7m2qx",), TEMPORAL | PERSON),
    "oncall ical": Command(
        ("checkout",),
        TEMPORAL | ON_CALL | {Bad.NO_SCHEDULE, Bad.NO_PERSON},
        {**_NO_SCHEDULE, Bad.NO_PERSON: ("--file", "oncall.yaml", "--person", "nobody")},
    ),
    "oncall feed": Command(
        ("checkout",),
        ON_CALL | {Bad.NO_SCHEDULE, Bad.NO_PERSON},
        {**_NO_SCHEDULE, Bad.NO_PERSON: ("--person", "nobody")},
    ),
    "oncall check": Command((), ON_CALL | {Bad.HALF_FILE}, {Bad.HALF_FILE: (HALF_FILE,)}),
    "oncall schema": Command(),
    "silence add": Command(
        ("--match", "service=checkout", "--for", "2h", "--why", "known"),
        TEMPORAL | PERSON | {Bad.PAST, Bad.NO_REASON, Bad.NO_MATCH, Bad.ENDLESS},
        {
            Bad.PAST: (
                *("--match", "service=checkout", "--why", "known"),
                *("--until", "2020-01-02T03:04:05Z"),
            ),
            Bad.NO_REASON: ("--match", "service=checkout", "--for", "2h"),
            Bad.NO_MATCH: ("--for", "2h", "--why", "known"),
            Bad.ENDLESS: ("--match", "service=checkout", "--why", "known"),
        },
    ),
    "heartbeat": Command(("backup", "--url", "http://127.0.0.1:1/", "--retry-for", "1ms")),
    "heartbeats sync": Command((), TEMPORAL | ON_CALL),
    "heartbeats list": Command((), TEMPORAL | ON_CALL),
    "heartbeats show": Command(("backup",), TEMPORAL),
    "heartbeats pause": Command(
        ("backup",),
        TEMPORAL | PERSON | {Bad.PAST},
        {Bad.PAST: ("backup", "--until", "2020-01-01 08:00")},
    ),
    "heartbeats resume": Command(("backup",), TEMPORAL),
    "silence list": Command((), TEMPORAL),
    "silence end": Command(("k7m2qx",), TEMPORAL | PERSON),
    "workers deploy": Command(
        ("--build-id", "1.0", "--without-role", "--function-arn", FUNCTION), TEMPORAL
    ),
    "workers promote": Command(("1.0",), TEMPORAL),
    "workers ramp": Command(("1.0", "--percent", "10"), TEMPORAL),
    "workers rollback": Command((), TEMPORAL),
    "workers status": Command((), TEMPORAL),
}


def cases(*kinds: Bad) -> list[tuple[str, Bad]]:
    """Every command with every one of these kinds that it can be given."""
    return [
        (name, kind)
        for name, command in COMMANDS.items()
        for kind in kinds
        if kind is Bad.TYPO or kind in command.takes
    ]


def arguments(name: str, kind: Bad, **named: str) -> list[str]:
    """What to type for a command with a kind of bad input; `named` fills in `FILE` and its like."""
    command = COMMANDS[name]
    extra = {
        Bad.TYPO: ["--jsno"],
        Bad.NOBODY: ["--by", ""],
        Bad.SOURCE: ["--by", "source:prometheus"],
    }
    words = [*name.split(), *command.more.get(kind, command.arguments), *extra.get(kind, [])]
    return [named.get(word, word) for word in words]


def commands() -> Iterator[str]:
    """The path of every command of the program."""

    def walk(command: Any, *path: str) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if children is None:
            yield " ".join(path)
        for name, child in (children or {}).items():
            yield from walk(child, *path, name)

    yield from walk(typer.main.get_command(app))


def keep_records() -> list[str]:
    """Quarantine two messages that are too large, and that a replay takes; returns the records'
    IDs."""

    def never(event: Event) -> NoReturn:
        raise AssertionError(f"{event.key} was started")

    async def keep() -> list[str]:
        settings = replace(Settings.from_env(), max_event_bytes=1024)
        intake = bootstrap.intake(settings, workflows=MemoryWorkflows(never))
        receipts = [
            receipt
            for id in ("m-1", "m-2")
            for receipt in await intake.accept(read(_too_large(id)))
        ]
        return [Path(receipt.quarantine_uri or "").stem for receipt in receipts]

    return asyncio.run(keep())


def _too_large(id: str) -> Delivery:
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "tests",
        "type": "com.example.incident.reported",
        "data": {"title": "It burns", "summary": "x" * 2000},
    }
    headers = way_headers("queue:orders") | {"message-id": id}
    return Delivery(format="message", body=json.dumps(event).encode(), headers=headers, unique=id)


def refused(result: Result, code: int) -> tuple[str, str]:
    """The cause and the next step of a refusal: a line each, and nothing else. A replay reports
    both of a record that it could not send."""
    assert result.code == code, (result.out, result.err)
    assert "Traceback" not in result.err
    if of_record := re.fullmatch(r"\w{6}  (not accepted: .+)\n  next: (.+)\n", result.out):
        assert result.err == ""
        return of_record[1], of_record[2]
    assert result.out == ""
    match = re.fullmatch(r"([A-Z][A-Za-z]+: .+)\n  next: (.+)\n", result.err)
    assert match, result.err
    return match[1], match[2]
