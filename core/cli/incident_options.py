"""What commands to an incident share: how they name it, and options, checked before anything is
sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from core.cli.clock import read_time, shown_time
from core.cli.completion import all_incidents, complete, open_incidents
from core.domain.command import LONGEST_NAME, may_be_a_person
from core.domain.durations import format_duration
from core.domain.incident.commands import (
    LONGEST_COMMENT,
    LONGEST_NOTE,
    LONGEST_SNOOZE,
)
from core.domain.text import clean, one_line

_NAMES: Final = "The incident's handle, its ID or the beginning of that, or its workflow ID"

Id = Annotated[str, typer.Argument(help=f"{_NAMES}.", autocompletion=complete(open_incidents))]
AnyId = Annotated[str, typer.Argument(help=f"{_NAMES}.", autocompletion=complete(all_incidents))]


def person(example: str, longest: int = LONGEST_NAME) -> Callable[[str | None], str | None]:
    """What checks the name of a person: neither commands nor incidents are a monitoring system's,
    whatever a name claims."""

    check = _typed(one_line, longest, f"give a name, as in {example}")

    def named(text: str | None) -> str | None:
        name = check(text)
        if name and not may_be_a_person(name):
            raise typer.BadParameter(f"{name!r} is not a person: give a name, as in {example}")
        return name

    return named


def words(longest: int, example: str) -> Callable[[str | None], str | None]:
    return _typed(lambda text: clean(text).strip(), longest, f"say something, as in {example}")


def _typed(
    tidied: Callable[[str], str], longest: int, wanted: str
) -> Callable[[str | None], str | None]:
    """What makes of a text what is sent. It raises `typer.BadParameter` for one that is empty then,
    or too long."""

    def typed(text: str | None) -> str | None:
        if text is None:
            return None
        tidy = tidied(text)
        if not tidy:
            raise typer.BadParameter(f"it is empty: {wanted}")
        if len(tidy) > longest:
            raise typer.BadParameter(f"it has {len(tidy):,} characters: {longest:,} are possible")
        return tidy

    return typed


Actor = Annotated[
    str,
    typer.Option("--by", help="Who gives the command.", envvar="USER", callback=person("--by ana")),
]
Note = Annotated[
    str | None,
    typer.Option(
        help="A note for the timeline.",
        callback=words(LONGEST_NOTE, '--note "rolled back"'),
    ),
]
NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait",
        help="Do not wait for an answer, which takes a worker: `incident show` tells what came of "
        "it.",
    ),
]
Text = Annotated[
    str,
    typer.Argument(
        help="The comment; `action: ...` becomes an action item of the report.",
        callback=words(LONGEST_COMMENT, '"action: buy a bigger disk"'),
    ),
]
To = Annotated[
    str | None,
    typer.Option(help="The person who works on it.", callback=person("--to ben, or --nobody")),
]
Commander = Annotated[
    str | None,
    typer.Option(
        help="The incident commander.", callback=person("--commander ana, or --no-commander")
    ),
]

_LONGEST: Final = timedelta(seconds=LONGEST_SNOOZE)


def end_of_snooze(text: str) -> datetime:
    """The moment that `--until` names. Raises `typer.BadParameter`."""
    now = datetime.now(UTC)
    try:
        moment = read_time(text, now=now)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if moment <= now:
        raise typer.BadParameter(
            f"{text!r} is in the past, it is {shown_time(now.replace(microsecond=0), now=now)}: "
            "give a time to come, as in --until 08:00"
        )
    if moment - now > _LONGEST:
        raise typer.BadParameter(_longer(text))
    return moment


def checked_length(length: timedelta) -> timedelta:
    """How long a snooze lasts. Raises `typer.BadParameter`."""
    if length > _LONGEST:
        raise typer.BadParameter(_longer(format_duration(length.total_seconds())))
    return length


def _longer(text: str) -> str:
    return (
        f"{text!r} is more than {format_duration(LONGEST_SNOOZE)} from now: a longer silence "
        "belongs in the policies file, under `silences`"
    )
