"""`tidegate policies explain`: whom an incident would page, when and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.cli.explain_policy import explanation_lines
from core.config.files import load_policies
from core.config.settings import Settings
from core.domain.incident.policies.file import Facts
from core.domain.oncall.answer import Answer
from core.domain.oncall.file import NOBODY
from core.domain.oncall.overrides import Override
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from core.operations.explain_policy import MOST_STEPS, PolicyExplanation, explain_policy
from core.ports.calendars import CalendarReader
from tests.support.cli import Result, Tidegate
from tests.unit.cli.on_call_desk import OnCallDesk

pytestmark = pytest.mark.usefixtures("in_berlin")

EVENING = datetime(2026, 3, 1, 21, tzinfo=UTC)
FILE = """\
version: 1
targets:
  chat: {url_env: CHAT}
  duty: {kind: pagerduty, routing_key_env: DUTY, fallback: [chat]}
policies:
  - name: checkout
    match: {service: "checkout*", severity: [critical, high]}
    levels:
      - {after: 0s, targets: [duty, chat]}
      - {after: TIDEGATE_ACK_TIMEOUT, targets: [chat]}
    repeats: 1
    repeat_after: 15m
    acknowledgement_timeout: 4h
    quiet_hours:
      time_zone: Europe/Berlin
      hours: [{from: "22:00", to: "07:00"}]
      unless: critical
  - name: batch
    match: {source: "zabbix", labels: {team: [data, import]}}
    levels: [{after: 1m, targets: [chat]}]
    hold_back: 2m
    open_after: {count: 3, within: 10m}
    resolve_if_silent_for: 1h
  - name: rest
    levels: [{after: 0s, targets: [chat]}]
    repage_every: 30m
silences:
  - name: move
    match: {labels: {cluster: "old-*"}}
    from: 2026-03-01T20:00:00Z
    until: 2026-03-02T06:00:00Z
maintenance:
  - {name: import, match: {service: import}, time_zone: UTC, hours: [{from: "20:30", to: "21:30"}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policies.yaml"
    path.write_text(FILE)
    return path


def explained(
    file: Path, at: datetime = EVENING, unset: tuple[str, ...] = (), **facts: Any
) -> PolicyExplanation:
    policies = load_policies(file, NOBODY)
    return explain_policy(
        policies,
        Facts(**facts),
        at,
        ack_timeout=300,
        addresses={name: () if name in unset else (name,) for name in policies.targets},
        unset={},
        find=lambda question, now: Answer(),
    )


def shown(file: Path, width: int | None, **facts: Any) -> str:
    policies = load_policies(file, NOBODY)
    lines = explanation_lines(explained(file, **facts), Facts(**facts), policies, width)
    assert width is None or all(line.cell_len <= width for line in lines)
    return "\n".join(line.plain.rstrip() for line in lines)


def paged(explanation: PolicyExplanation) -> list[tuple[str, int | None, list[str]]]:
    """When each paging is, with its level and targets."""
    return [
        (f"{step.at:%d %H:%M}", step.level, [name for name, _ in step.targets])
        for step in explanation.steps
        if step.kind == "paged"
    ]


# ---------------------------------------------------------------------------------------- text


def test_a_terminal_of_80_columns(file: Path) -> None:
    assert shown(file, 80, service="checkout", severity="high") == (
        "begins       2026-03-01 21:00 UTC (22:00 CET)\n"
        "severity     high\n"
        "policy       checkout, for service checkout*; severity critical or high\n"
        "\n"
        "21:00 UTC (22:00 CET)             nobody until 2026-03-02 06:00 UTC (07:00 CET):\n"
        "                                  quiet hours\n"
        "2026-03-02 06:00 UTC (07:00 CET)  level 1: pages duty (else chat), chat\n"
        "2026-03-02 06:05 UTC (07:05 CET)  level 2: pages chat\n"
        "2026-03-02 06:20 UTC (07:20 CET)  level 1, again: pages duty (else chat), chat\n"
        "2026-03-02 06:25 UTC (07:25 CET)  level 2, again: pages chat\n"
        "\n"
        "Nobody else is paged.\n"
        "At 2027-03-01 21:00 UTC (22:00 CET): Closed (cancelled): nobody resolved it\n"
        "within its maximum age of 365 d.\n"
        "An acknowledgement stops it for 4 h; then it starts again."
    )


def test_a_terminal_of_45_columns(file: Path) -> None:
    assert shown(file, 45, service="search", severity="low") == (
        "begins       2026-03-01 21:00 UTC (22:00 CET)\n"
        "severity     low\n"
        "policy       rest, for all others\n"
        "not          checkout: service is search, not\n"
        "             checkout*; severity is low, not\n"
        "             critical or high\n"
        "not          batch: it has no source, which\n"
        "             must be zabbix; it has no team,\n"
        "             which must be data or import\n"
        "\n"
        "21:00 UTC (22:00 CET)\n"
        "  level 1: pages chat\n"
        + "".join(
            f"{utc} UTC ({cet} CET)\n  level 1, again: pages chat\n"
            for utc, cet in (
                *(("21:30", "22:30"), ("22:00", "23:00"), ("22:30", "23:30")),
                *(("23:00", "2026-03-02 00:00"), ("23:30", "2026-03-02 00:30")),
                *(("2026-03-02 00:00", "01:00"), ("2026-03-02 00:30", "01:30")),
                *(("2026-03-02 01:00", "02:00"), ("2026-03-02 01:30", "02:30")),
                *(("2026-03-02 02:00", "03:00"), ("2026-03-02 02:30", "03:30")),
            )
        )
        + "\n"
        "It goes on, next at 2026-03-02 03:00 UTC\n"
        "(04:00 CET).\n"
        "An acknowledgement stops it."
    )


def test_an_alert_of_a_source_waits_as_its_policy_says(file: Path) -> None:
    assert shown(file, 80, source="zabbix", labels={"team": "data"}) == (
        "begins       2026-03-01 21:00 UTC (22:00 CET)\n"
        "severity     medium, as none is given\n"
        "policy       batch, for source zabbix; labels team=data or import\n"
        "not          checkout: it has no service, which must be checkout*; severity is\n"
        "             medium, not critical or high\n"
        "\n"
        "21:00 UTC (22:00 CET)  it opens after 3 alerts within 10 min and an alert that\n"
        "                       lasts 2 min\n"
        "21:03 UTC (22:03 CET)  level 1: pages chat\n"
        "\n"
        "Nobody else is paged.\n"
        "At 22:02 UTC (23:02 CET): Resolved: no alert came for 1 h.\n"
        "An acknowledgement stops it."
    )


# ----------------------------------------------------------------------------------- decisions


@pytest.mark.parametrize(
    ("facts", "reason", "first"),
    [
        ({"service": "checkout", "severity": "high"}, "quiet hours", "02 06:00"),
        ({"service": "checkout", "severity": "critical"}, None, "01 21:00"),
        ({"labels": {"cluster": "old-1"}}, "silenced by move", "02 06:00"),
        ({"service": "import"}, "maintenance import", "01 21:30"),
        ({"severity": "P1", "source": "prometheus", "service": "checkout"}, None, "01 21:00"),
    ],
)
def test_what_holds_the_paging_is_named_and_the_first_paging_comes_after_it(
    file: Path, facts: dict[str, Any], reason: str | None, first: str
) -> None:
    explanation = explained(file, **facts)
    held = [step.reason for step in explanation.steps if step.kind == "held"]
    assert held == ([reason] if reason else [])
    assert paged(explanation)[0][0] == first


def test_levels_are_paged_as_often_as_the_policy_says(file: Path) -> None:
    assert paged(explained(file, service="checkout", severity="critical")) == [
        ("01 21:00", 1, ["duty", "chat"]),
        ("01 21:05", 2, ["chat"]),
        ("01 21:20", 1, ["duty", "chat"]),
        ("01 21:25", 2, ["chat"]),
    ]


def test_a_target_without_an_address_is_named_and_its_fallback_paged(file: Path) -> None:
    explanation = explained(file, unset=("duty",), service="checkout", severity="critical")
    [missing] = [step for step in explanation.steps if step.kind == "unreachable"]
    assert (missing.level, missing.reason) == (1, "duty has no address (DUTY not set)")
    assert paged(explanation)[0] == ("01 21:00", 1, ["chat"])


def test_without_any_address_each_target_is_taken_to_have_one(file: Path) -> None:
    explanation = explained(file, unset=("duty", "chat"), service="checkout", severity="critical")
    assert explanation.assumed_addresses
    assert paged(explanation)[0] == ("01 21:00", 1, ["duty", "chat"])


def test_an_explanation_has_a_bound(file: Path) -> None:
    explanation = explained(file)
    assert len(explanation.steps) == MOST_STEPS
    assert explanation.more_at == datetime(2026, 3, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("levels", [MOST_STEPS - 1, MOST_STEPS, MOST_STEPS + 1])
def test_what_is_left_out_is_a_paging_and_not_the_end(levels: int, tmp_path: Path) -> None:
    path = tmp_path / "levels.yaml"
    lines = "".join(f"  - {{after: {minute}m, targets: [chat]}}\n" for minute in range(levels))
    path.write_text(
        "version: 1\ntargets: {chat: {url_env: CHAT}}\n"
        f"policies:\n- name: many\n  maximum_age: 1d\n  levels:\n{lines}"
    )
    explanation = explained(path)
    left_out = levels > MOST_STEPS
    assert len(paged(explanation)) == min(levels, MOST_STEPS)
    assert (explanation.more_at is not None) is left_out
    if left_out:
        assert explanation.more_at == EVENING + timedelta(minutes=MOST_STEPS)
    else:
        assert explanation.steps[-1].kind == "ends"


def test_who_is_never_paged_is_not_kept_from_it_by_an_acknowledgement(tmp_path: Path) -> None:
    path = tmp_path / "late.yaml"
    path.write_text(
        "version: 1\ntargets: {chat: {url_env: CHAT}}\npolicies:\n"
        "- {name: late, maximum_age: 1h, levels: [{after: 2h, targets: [chat]}]}\n"
    )
    assert shown(path, 80, severity="low") == (
        "begins       2026-03-01 21:00 UTC (22:00 CET)\n"
        "severity     low\n"
        "policy       late, for all others\n"
        "\n"
        "Nobody is paged.\n"
        "At 22:00 UTC (23:00 CET): Closed (cancelled): nobody resolved it within its\n"
        "maximum age of 1 h."
    )


# ------------------------------------------------------------------------------------- command


def test_the_json_has_the_policy_why_not_the_others_and_each_step(
    tidegate: Tidegate, file: Path
) -> None:
    result = tidegate(
        *("policies", "explain", "--file", str(file), "--at", "2026-03-01 22:00"),
        *("--service", "checkout", "--severity", "low", "--label", "cluster=old-=1", "--json"),
    )
    assert result.code == 0
    assert {name: result.json[name] for name in ("at", "severity", "policy")} == {
        "at": "2026-03-01T21:00:00+00:00",
        "severity": "low",
        "policy": "rest",
    }
    assert result.json["passed"][0] == {
        "policy": "checkout",
        "misfits": [{"name": "severity", "value": "low", "patterns": ["critical", "high"]}],
    }
    assert result.json["steps"][0] == {
        "at": "2026-03-01T21:00:00+00:00",
        "kind": "held",
        "level": None,
        "reason": "silenced by move",
        "repeat": 1,
        "targets": [],
        "until": "2026-03-02T06:00:00+00:00",
    }
    assert result.json["steps"][1]["targets"] == [{"name": "chat", "fallback": []}]


def test_the_addresses_of_the_environment_count(
    tidegate: Tidegate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("policies", "explain", "--file", str(file), "--service", "checkout")
    assumed = "No target's variables are set here: each is taken to have an address."
    assert assumed in tidegate(*arguments, "--severity", "critical").out
    monkeypatch.setenv("CHAT", "json://chat.example")
    result = tidegate(*arguments, "--severity", "critical")
    assert assumed not in result.out
    assert "level 1: duty has no address (DUTY not set)" in result.out
    assert "chat.example" not in result.out


def test_a_severity_may_be_in_the_words_of_its_source(tidegate: Tidegate) -> None:
    result = tidegate("policies", "explain", "--source", "zabbix", "--severity", "4", "--json")
    assert result.json["severity"] == "high"
    assert tidegate("policies", "explain", "--severity", "4").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--severity", "hgih"], "there is no severity 'hgih'"),
        (["--label", "cluster"], "--label 'cluster' is not NAME=VALUE"),
        (["--label", "=old"], "--label '=old' is not NAME=VALUE"),
        (["--at", "25:00"], "'25:00' is not a time"),
        (["--at", "yesterday"], "'yesterday' is not a time"),
        (["--at", "9999-12-31T23:59Z"], "'9999-12-31T23:59Z' is too close to the calendar's end"),
        (["--service", ""], "service: "),
        (["--service", "x" * 201], "service: "),
        (["--label", f"{'x' * 64}=1"], "labels."),
    ],
)
def test_a_mistake_is_named_and_ends_with_2(
    tidegate: Tidegate, arguments: list[str], said: str
) -> None:
    result = tidegate("policies", "explain", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in " ".join(result.err.replace("│", " ").split())


def test_half_a_file_is_named_by_its_line_and_column(tidegate: Tidegate, tmp_path: Path) -> None:
    half = tmp_path / "half.yaml"
    half.write_text("version: 1\ntargets:\n  chat: {url_env: CHAT\n")
    result = tidegate("policies", "explain", "--file", str(half))
    assert result.code == 2
    assert f"ConfigFileError: {half}:4:1: " in result.err


def test_every_severity_is_understood_and_chooses_its_policy(file: Path) -> None:
    chosen = {s: explained(file, service="checkout", severity=s).policy.name for s in Severity}
    assert chosen == {
        Severity.CRITICAL: "checkout",
        Severity.HIGH: "checkout",
        Severity.MEDIUM: "rest",
        Severity.LOW: "rest",
        Severity.INFO: "rest",
    }


ON_CALL_FILE = """\
version: 1
people:
  ana:
    name: Ana
    time_zone: Europe/Berlin
    contacts: {push: {url_env: ANA_PUSH}, sms: {url_env: ANA_SMS}}
    rules: [{steps: [{contact: push}, {contact: sms, after: 2m}]}]
  ben: {name: Ben, time_zone: UTC, contacts: {push: {url_env: BEN_PUSH}}}
schedules:
  checkout:
    time_zone: UTC
    layers:
      - {name: days, rotation: {people: [ana, ben], every: day, start: 2026-03-01, at: "12:00"}}
"""
PEOPLE_FILE = """\
version: 1
targets: {chat: {url_env: CHAT}}
policies:
  - name: all
    levels: [{after: 0s, schedule: checkout}, {after: 10m, person: ben, targets: [chat]}]
"""


@pytest.fixture
def people_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "oncall.yaml").write_text(ON_CALL_FILE)
    monkeypatch.setenv("TIDEGATE_ONCALL", str(tmp_path / "oncall.yaml"))
    path = tmp_path / "people.yaml"
    path.write_text(PEOPLE_FILE)
    return path


def said(result: Result) -> list[tuple[str, str, list[str]]]:
    assert result.code == 0, result
    return [
        (step["at"][11:16], step["reason"], [target["name"] for target in step["targets"]])
        for step in result.json["steps"]
    ]


def test_whoever_is_on_call_at_that_time_is_paged_by_their_rules(
    people_file: Path, tidegate: Tidegate
) -> None:
    def explained_at(moment: str) -> list[tuple[str, str, list[str]]]:
        return said(
            tidegate(
                *("policies", "explain", "--file", str(people_file)),
                *("--at", f"2026-03-01T{moment}:00Z", "--json"),
            )
        )

    begun, push, sms, *level_2 = explained_at("13:00")
    assert begun[1].startswith("Ana is paged as on call for schedule checkout (layer days)")
    assert push == ("13:00", "", ["ana/push"])
    assert sms == ("13:02", "", ["ana/sms"])
    assert ("13:10", "", ["chat", "ben/push"]) in level_2


def test_who_is_on_call_next_is_paged_when_the_shift_ends(
    people_file: Path, tidegate: Tidegate
) -> None:
    people_file.write_text(PEOPLE_FILE.replace(", {after: 10m, person: ben, targets: [chat]}", ""))
    result = tidegate(
        *("policies", "explain", "--file", str(people_file)),
        *("--at", "2026-03-02T11:59:00Z", "--json"),
    )
    happens = said(result)
    assert ("11:59", "", ["ana/push"]) in happens
    assert ("12:00", "Ana hands over to Ben for schedule checkout", []) in happens
    assert ("12:00", "", ["ben/push"]) in happens
    assert ("12:01", "", ["ana/sms"]) not in happens


def test_what_was_added_at_run_time_counts_and_it_says_so_where_that_cannot_be_read(
    people_file: Path, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("policies", "explain", "--file", str(people_file), "--at", "2026-03-01T13:00:00Z")
    readers: list[Settings] = []
    calendars = bootstrap.calendars

    def counted(settings: Settings) -> CalendarReader:
        readers.append(settings)
        return calendars(settings)

    monkeypatch.setattr(bootstrap, "calendars", counted)
    result = tidegate(*arguments)
    assert len(readers) == 1  # what cannot be read of Temporal costs no second reading of calendars
    assert result.out.endswith(
        "What was added to on-call at run time is not considered: no Temporal server is "
        "configured.\n"
    )
    desk = OnCallDesk(
        OnCallState(
            overrides=(
                Override(
                    id="k7m2qx",
                    schedule="checkout",
                    people=("ben",),
                    start=EVENING - timedelta(days=1),
                    end=EVENING,
                    by="ana",
                ),
            )
        )
    )
    desk.place(monkeypatch)
    result = tidegate(*arguments)
    assert "Ben is paged as on call for schedule checkout (an override by ana)" in result.out
    assert "not considered" not in result.out
