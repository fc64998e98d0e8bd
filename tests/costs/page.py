"""docs/costs.md with its tables filled in, and its picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from tests.costs import aws, azure, chart, model
from tests.costs.figures import MILLION, Basis, Figures, Seen
from tests.costs.model import RATES, Actions, Door, Line, Wakes, total
from tests.support.actions import actions, delivered
from tests.support.wakes import wakes

PAGE: Final = Path(__file__).parents[2] / "docs" / "costs.md"
_TABLE: Final = re.compile(r"(?<=<!-- costs: )([a-z-]+) -->\n.*?(?=<!-- end -->)", re.S)
DAILY: Final = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
"""Events a day."""
REPEATS: Final = (3600, 300, 60, 10, 1)
"""Seconds between repeats of one alert."""
INCIDENTS: Final = {
    "its alert recovers before anybody does anything": "incident-alert-recovered",
    "it is acknowledged and resolved": "incident-acknowledged-late-page",
    "nobody acknowledges in time; then as above": "incident-escalated",
    "it is snoozed, twice": "incident-snoozed",
    "its first page fails twice": "incident-page-retried",
    "somebody uses every command": "incident-every-command",
}
"""What happens to an incident, and the recorded history of it."""
_KINDS: Final = ("Start", "Signals", "Updates", "Timers", "Retries", "Cancellations")
DOORS: Final[tuple[Door, ...]] = ("webhooks", "messages", "uploads")
_PER_SECOND: Final = [f"{rate:g}/s" for rate in RATES]
_SEEN: Final[dict[Seen, str]] = {
    "vendor": "on the vendor's page",
    "elsewhere": "on others' pages",
    "nowhere": "**not verified**",
}
_BASIS: Final[dict[Basis, str]] = {
    "measured": "measured",
    "documented": "documented",
    "assumed": "**assumed**",
}


@dataclass(frozen=True, slots=True)
class Counted:
    aws: aws.Counts
    azure: dict[str, azure.Counts]
    """By profile: `dev`, `prod`."""
    actions: Actions
    wakes: Wakes


@cache
def counted() -> Counted:
    """Everything that is counted in templates, snapshots and histories."""
    opened, joined = "incident-alert-opened", "incident-alert-joined"
    more = delivered(joined) - delivered(opened)
    return Counted(
        aws=aws.count(),
        azure=azure.profiles(),
        actions=Actions(
            opened=delivered(opened).total(),
            joined=more.total() // more["Signal"],
            life=actions("incident-acknowledged-late-page").total(),
        ),
        wakes=Wakes(
            joined=(wakes(joined) - wakes(opened)).total() // more["Signal"],
            life=wakes("incident-alert-recovered").total() + _acknowledged().total(),
        ),
    )


def _acknowledged() -> Counter[str]:
    """What an acknowledgement adds to the wakes of an incident."""
    return wakes("incident-acknowledged-late-page") - wakes("incident-resolved-late-page")


def money(dollars: float) -> str:
    if dollars >= 9.995:
        return f"{dollars:,.0f}"
    return f"{dollars:.2f}" if dollars >= 0.005 else "0"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


# --------------------------------------------------------------------------------------- series

Lines = Callable[[float], list[Line]]
"""The parts of a bill by the rate of events."""


def series(figures: Figures, counts: Counted) -> dict[str, Lines]:
    """What the first table and the picture show: whole bills, for events that come as webhooks."""
    chapters = {
        "AWS, containers": _of_aws(figures, counts)[:3],
        "AWS, serverless workers": [
            each for each in _of_aws(figures, counts) if each[0] != "Containers"
        ],
        **{
            f"Azure `{profile}`, containers": _of_azure(figures, each)
            for profile, each in counts.azure.items()
        },
    }
    whole = {name: partial(_whole, [of for _, of in each]) for name, each in chapters.items()}
    return {**whole, "Temporal Cloud": partial(_of_temporal, figures, counts)}


def _whole(chapters: Sequence[Lines], rate: float) -> list[Line]:
    return [line for chapter in chapters for line in chapter(rate)]


def _of_temporal(figures: Figures, counts: Counted, rate: float) -> list[Line]:
    return [Line("Temporal Cloud", model.temporal(figures, counts.actions, rate))]


def _of_aws(figures: Figures, counts: Counted) -> list[tuple[str, Lines]]:
    return [
        ("Idle or not", lambda _: model.aws_fixed(figures, counts.aws)),
        ("Webhooks", lambda rate: model.aws_door(figures, counts.aws, rate, "webhooks")),
        ("Containers", lambda rate: model.aws_containers(figures, counts.aws, rate)),
        ("Serverless workers instead", _serverless(figures, counts)),
    ]


def _serverless(figures: Figures, counts: Counted) -> Lines:
    return lambda rate: model.aws_serverless(figures, counts.aws, counts.wakes, rate)


def _kept(figures: Figures, counts: aws.Counts) -> dict[str, Lines]:
    """Containers that always run: as the template has them, and as few and small as it allows."""
    return {
        _size(each): partial(model.aws_containers, figures, each)
        for each in (counts, counts.smallest)
    }


def _size(counts: aws.Counts) -> str:
    tasks = counts.workers * counts.tasks
    return f"{tasks} containers of {counts.task_vcpu:g} vCPU and {counts.task_gb:g} GB"


def _of_azure(figures: Figures, counts: azure.Counts) -> list[tuple[str, Lines]]:
    return [
        ("Idle or not", lambda _: model.azure_fixed(figures, counts)),
        ("Webhooks", lambda rate: model.azure_door(figures, counts, rate, "webhooks")),
        ("Containers", lambda rate: model.azure_containers(figures, counts, rate)),
    ]


# --------------------------------------------------------------------------------------- tables


def tables(figures: Figures, counts: Counted) -> dict[str, str]:
    """The tables of the page by the names of their markers."""
    by_profile = {
        f"azure-{profile}": _parts(_of_azure(figures, each))
        for profile, each in counts.azure.items()
    }
    return {
        "sums": _sums(figures, counts),
        "aws": _parts(_of_aws(figures, counts)),
        **by_profile,
        "doors": _doors(figures, counts),
        "x-ray": _x_ray(figures),
        "wakes": _wakes(figures, counts.aws),
        "daily": _daily(figures, counts),
        "as-dear": _as_dear(figures, counts),
        "repeats": _repeats(figures, counts.aws),
        "azure-replicas": _azure_replicas(figures, counts.azure["prod"]),
        "temporal": _temporal(figures, counts.actions),
        "counted-aws": _counted_on_aws(figures, counts.aws),
        "counted-azure": _counted_on_azure(figures, counts.azure),
        "prices": _prices(figures),
        "assumptions": _assumptions(figures),
    }


def _sums(figures: Figures, counts: Counted) -> str:
    every = series(figures, counts)
    return _table(
        ["Events a second", "a month", *every],
        [
            [
                number(rate),
                number(model.month(rate)),
                *(money(total(of(rate))) for of in every.values()),
            ]
            for rate in RATES
        ],
    )


def _parts(chapters: Sequence[tuple[str, Lines]]) -> str:
    rows = []
    for title, lines in chapters:
        by_rate = [lines(rate) for rate in RATES]
        parts = [each for each in zip(*by_rate, strict=True) if any(line.dollars for line in each)]
        rows += [
            [title if each is parts[0] else "", each[0].part, *(money(x.dollars) for x in each)]
            for each in parts
        ]
        rows.append(["", "**Sum**", *(f"**{money(total(each))}**" for each in by_rate)])
    return _table(["", "Part", *_PER_SECOND], rows)


def _doors(figures: Figures, counts: Counted) -> str:
    rows = [
        [f"AWS, {door}", *_a_million(partial(model.aws_door, figures, counts.aws, door=door))]
        for door in DOORS
    ] + [
        [
            f"Azure `{profile}`, {door}",
            *_a_million(partial(model.azure_door, figures, each, door=door)),
        ]
        for profile, each in counts.azure.items()
        for door in DOORS
    ]
    return _table(["Way in", *_PER_SECOND], rows)


def _a_million(lines: Lines) -> list[str]:
    """Dollars for a million events, at each rate."""
    return [money(total(lines(rate)) / model.month(rate) * MILLION) for rate in RATES]


def _x_ray(figures: Figures) -> str:
    dollars = [figures.price("x_ray", model.traces(r) / r * MILLION) for r in RATES]
    return _table(
        ["Invocations a second", *map(number, RATES)],
        [["Dollars for a million of them", *map(money, dollars)]],
    )


def _wakes(figures: Figures, counts: aws.Counts) -> str:
    """What an incident wakes, and what that costs where everything comes alone."""
    every = {title: wakes(history) for title, history in INCIDENTS.items()}
    opened, joined = wakes("incident-alert-opened"), wakes("incident-alert-joined")
    every["one more alert joins it"] = Counter(
        {kind: number // 3 for kind, number in (joined - opened).items()}
    )
    kinds = [kind for kind in _KINDS if any(each[kind] for each in every.values())]
    rows: list[list[object]] = []
    for title, found in every.items():
        seconds = found.total() * figures["serverless_wake"]
        dollars = figures.price("lambda_duration", 1000 * seconds * counts.serverless_gb)
        requests = figures.price("lambda_requests", 1000 * found.total())
        history = INCIDENTS.get(title, "incident-alert-joined")
        rows.append(
            [
                title,
                f"`{history}`",
                *(found[kind] for kind in kinds),
                found.total(),
                f"{seconds:.0f}",
                money(dollars + requests),
            ]
        )
    head = ["An incident", "Recorded as", *kinds, "Wakes", "Seconds", "Dollars for a thousand"]
    return _table(head, rows)


def _daily(figures: Figures, counts: Counted) -> str:
    kept = _kept(figures, counts.aws)
    columns = {**kept, "Serverless workers": _serverless(figures, counts)}
    rows = []
    for daily in DAILY:
        rate = daily / 86_400
        woken = model.wakes(figures, counts.wakes, rate)
        share = min(1.0, model.awake(figures, woken))
        rows.append(
            [
                number(daily),
                *(money(total(of(rate))) for of in columns.values()),
                f"{share:.1%}",
            ]
        )
    return _table(["Events a day", *columns, "of the time awake"], rows)


def _as_dear(figures: Figures, counts: Counted) -> str:
    rows = []
    for title, kept in _kept(figures, counts.aws).items():
        rate = model.as_dear(_serverless(figures, counts), kept)
        cells = (
            ["never", ""]
            if rate is None
            else [f"{round(rate * 86_400, -2):,.0f}", f"{1 / rate:.3g} s"]
        )
        rows.append([title, money(total(kept(0))), *cells])
    return _table(["", "Dollars a month", "Events a day", "One every"], rows)


def _repeats(figures: Figures, counts: aws.Counts) -> str:
    rows = []
    for every in REPEATS:
        woken = 1 / every
        rows.append(
            [
                f"{every:,} s",
                number(woken * model.SECONDS),
                f"{min(1.0, model.awake(figures, woken)):.1%}",
                money(total(model.waking(figures, counts, woken))),
            ]
        )
    return _table(["One every", "a month", "of the time awake", "Dollars a month"], rows)


def _azure_replicas(figures: Figures, counts: azure.Counts) -> str:
    rows = []
    for replicas in (1, 2):
        lines = model.azure_containers(figures, replace(counts, replicas=replicas), 0)
        rows.append([replicas, replicas * counts.workers, money(total(lines))])
    return _table(["Replicas of each worker", "in all", "Dollars a month"], rows)


def _temporal(figures: Figures, counted: Actions) -> str:
    return _table(
        ["Events a second", "Actions a month", "Storage, dollars", "All, on the cheaper plan"],
        [
            [
                number(rate),
                number(model.actions(figures, counted, rate)),
                money(model.storage(figures, rate)),
                money(model.temporal(figures, counted, rate)),
            ]
            for rate in RATES
        ],
    )


def _counted_on_aws(figures: Figures, counts: aws.Counts) -> str:
    door, containers, serverless = counts.door, counts.containers, counts.serverless
    rows: list[list[object]] = [
        ["Alarms", door.alarms, containers.alarms, serverless.alarms],
        [
            "metrics by which they are billed",
            door.alarm_metrics,
            containers.alarm_metrics,
            serverless.alarm_metrics,
        ],
        ["Alarms of target tracking", "", containers.tracking_alarms, ""],
        [
            "metrics by which they are billed: metric math has several",
            "",
            containers.tracking_alarm_metrics,
            "",
        ],
        [
            f"Our metrics, at most; `ColdStart` for each of {counts.functions} functions",
            door.metrics,
            containers.metrics,
            serverless.metrics,
        ],
        [
            f"Detailed metrics of the API, of {counts.routes} routes",
            int(counts.routes * figures["api_metrics"]),
            "",
            "",
        ],
        ["Queues that functions poll", counts.queues, "", ""],
        ["KMS keys", counts.keys, "", ""],
        ["Fargate tasks, at least", "", counts.workers * counts.tasks, ""],
        ["vCPU of a task", "", f"{counts.task_vcpu:g}", ""],
        [
            "Memory of a function or task, GB",
            f"{counts.function_gb:g}",
            f"{counts.task_gb:g}",
            f"{counts.serverless_gb:g}",
        ],
        ["Looks from outside, a day", "", "", number(86_400 / counts.watch_every)],
        ["X-Ray by default", "on" if counts.traced else "off", "", ""],
    ]
    return _table(["AWS", "Front door", "Containers", "Serverless workers"], rows)


def _counted_on_azure(figures: Figures, profiles: Mapping[str, azure.Counts]) -> str:
    def row(title: str, of: Callable[[azure.Counts], object]) -> list[object]:
        return [title, *(of(each) for each in profiles.values())]

    def waiting(counts: azure.Counts) -> int:
        return sum(model.ready(figures, counts, group) for group in counts.groups)

    rows = [
        row("Groups of functions that scale alone", lambda each: len(each.groups)),
        row("Instances that are always ready", waiting),
        row("Memory of an instance, GB", lambda each: f"{each.instance_gb:g}"),
        row("Requests that an instance takes at a time", lambda each: each.requests),
        row("Units of Service Bus Premium", lambda each: each.premium_units or "none: Standard"),
        row("Time series that alerts watch", lambda each: each.time_series),
        row("Alerts on logs", lambda each: sum(each.log_alerts.values())),
        row("Private endpoints", lambda each: each.private_endpoints),
        row("Days that logs are kept", lambda each: each.log_days),
        row("Replicas of workers, at least", lambda each: each.workers * each.replicas),
    ]
    return _table(["Azure", *(f"`{profile}`" for profile in profiles)], rows)


def _prices(figures: Figures) -> str:
    return _table(
        ["Price", "Dollars", "for one", "Page", "Seen"],
        [
            [
                f"`{name}`",
                f"{each.price:.10f}".rstrip("0").rstrip("."),
                each.unit,
                each.page,
                _SEEN[each.seen],
            ]
            for name, each in figures.prices.items()
        ],
    )


def _assumptions(figures: Figures) -> str:
    return _table(
        ["Assumption", "Value", "Unit", "Basis", "Note"],
        [
            [f"`{name}`", f"{each.value:g}", each.unit, _BASIS[each.basis], each.note]
            for name, each in figures.assumptions.items()
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines: list[Sequence[object]] = [head, *rows]
    text = [f"| {' | '.join(map(str, line))} |\n" for line in lines]
    return "".join([text[0], f"|{'---|' * len(head)}\n", *text[1:]])


# ------------------------------------------------------------------------------------- the page


def picture(figures: Figures, counts: Counted) -> str:
    """The first table as an SVG."""
    every = series(figures, counts).items()
    return chart.draw({name.replace("`", ""): partial(_dollars, of) for name, of in every})


def _dollars(lines: Lines, rate: float) -> float:
    return total(lines(rate))


def filled(text: str, made: dict[str, str]) -> str:
    """The page's text with these tables between their markers.

    Raises `ValueError` where the markers and the tables differ.
    """
    marked = [match[1] for match in _TABLE.finditer(text)]
    if sorted(marked) != sorted(made):
        raise ValueError(f"the page has markers for {sorted(marked)}, and there are {sorted(made)}")
    return _TABLE.sub(lambda match: f"{match[1]} -->\n{made[match[1]]}", text)
