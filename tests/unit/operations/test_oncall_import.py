"""An export of another product becomes our files: what is translated, and what is a remark."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import yaml

from core.config import files
from core.domain.oncall.file import OnCallFile
from core.errors import ConfigurationError
from core.operations.oncall_import import export
from core.operations.oncall_import.files import MOST_COMMANDS, Imported
from core.operations.oncall_import.registry import PRODUCTS
from core.operations.oncall_import.translate import translate
from tests.support.oncall_exports import EXPORTS, NOW, imported

ADDRESSES: Final = re.compile(r"example\.com|5550\d\d\d|token-0100|private-\d+|Ana's phone|C0100")
"""What the exports have of people's addresses, and of calendars'."""


def test_the_products() -> None:
    assert {name: (each.title, each.sections) for name, each in PRODUCTS.items()} == {
        "opsgenie": ("Opsgenie", ("users", "teams", "schedules", "overrides", "escalations")),
        "pagerduty": ("PagerDuty", ("users", "schedules", "escalation_policies")),
        "grafana-oncall": (
            "Grafana OnCall",
            (
                "users",
                "personal_notification_rules",
                "teams",
                "on_call_shifts",
                "schedules",
                "escalation_chains",
                "escalation_policies",
            ),
        ),
        "goalert": ("GoAlert", ("data",)),
    }


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_product_has_an_export_that_is_recognised_as_its_own(product: str) -> None:
    body = EXPORTS[product].read_bytes()
    recognised = export.read_export(body, product)
    assert [n for n, each in PRODUCTS.items() if each.is_export(recognised)] == [product]


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_files_are_valid(product: str, tmp_path: Path) -> None:
    made = imported(product)
    (tmp_path / "oncall.yaml").write_text(made.oncall)
    (tmp_path / "policies.yaml").write_text(made.policies)
    file = files.load_oncall(tmp_path / "oncall.yaml")
    loaded = files.load_policies(tmp_path / "policies.yaml", file)
    assert len(loaded.policies) == made.escalations + (made.escalations > 1)
    assert (len(file.people), len(file.teams), len(file.schedules)) == (
        made.people,
        made.teams,
        made.schedules,
    )
    used = {variable for target in file.targets.values() for variable in target.variables}
    used |= {
        calendar.url_env
        for schedule in file.schedules.values()
        for layer in schedule.layers
        for calendar in layer.calendars
        if calendar.url_env
    }
    assert used == {each.name for each in made.variables}


@pytest.mark.parametrize("product", PRODUCTS)
def test_no_address_is_in_what_is_made_of_an_export(product: str) -> None:
    if product != "goalert":  # whose addresses are not asked for
        assert ADDRESSES.search(EXPORTS[product].read_text(encoding="utf-8"))
    made = imported(product)
    assert not ADDRESSES.search(json.dumps(asdict(made)) + made.environment)


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_template_of_the_environment_has_no_values(product: str) -> None:
    lines = [line for line in imported(product).environment.splitlines() if line[0] != "#"]
    assert lines == [f"{each.name}=" for each in imported(product).variables]


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_same_export_always_becomes_the_same(product: str) -> None:
    body = EXPORTS[product].read_bytes()
    assert translate(product, body, f"{product}.json", NOW) == imported(product)


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_remark_is_about_a_place_of_the_export(product: str) -> None:
    """It can be looked up: `schedules[0].rotations[1]` leads somewhere."""
    whole = json.loads(EXPORTS[product].read_bytes())
    for remark in imported(product).remarks:
        value = whole
        for name, number in re.findall(r"([a-z_]\w*)|\[(\d+)\]", remark.place, re.I):
            value = value[name] if name else value[int(number)]
        assert isinstance(value, dict | list | str), remark


REMARKS: Final[Mapping[str, Mapping[str, str]]] = {
    "pagerduty": {
        "users[0].users[1].contact_methods[1]": "its type pager_contact_method is unknown",
        "users[0].users[1].notification_rules[2]": "its contact method was not imported",
        "users[1].users[0]": "its time zone is unknown; it is UTC now",
        "schedules[1].schedule.schedule_layers[0]": "its turns do not last whole hours",
        "escalation_policies[0].escalation_policies[1].escalation_rules[1].targets[0]": (
            "the export has no such user"
        ),
        "": "left out, as it is over: 1 override",
    },
    "opsgenie": {
        "users[1].data.notificationRules[0]": "it is for some hours only",
        "users[4].data": "the user is blocked",
        "teams[1].data": "it has no members",
        "schedules.data[0].rotations[3]": "it has ended",
        "schedules.data[0]": "several layers of it are on call at the same time; it became "
        "ops-schedule, ops-schedule-2",
        "schedules.data[2]": "it is disabled",
        "escalations.data[0].rules[1]": (
            "it pages next of the schedule; ours pages who is on call"
        ),
        "escalations.data[0].rules[2]": (
            "it pages although somebody has acknowledged; ours pages only while nobody has"
        ),
        "escalations.data[0].rules[4].recipient": "its schedule was not imported",
        "escalations.data[0].repeat": "it closes the alert in the end",
    },
    "grafana-oncall": {
        "personal_notification_rules[1].results[0]": "its type is unknown",
        "teams.results[1]": "none of the users is its member",
        "on_call_shifts.results[3]": "its rule of recurrence has no counterpart in a rotation",
        "on_call_shifts.results[4]": (
            "it is a single event; it became an override, which wins over every layer"
        ),
        "schedules.results[0]": "several layers of it are on call at the same time; it became "
        "primary, primary-2",
        "schedules.results[2].ical_url_primary": (
            "its address may be a secret: it is read from ONCALL_FROM_A_CALENDAR_PRIMARY_CALENDAR"
        ),
        "schedules.results[2].ical_url_overrides": (
            "its address may be a secret: it is read from ONCALL_FROM_A_CALENDAR_OVERRIDES_CALENDAR"
        ),
        "escalation_policies.results[3]": "notify_whole_channel has no counterpart",
        "escalation_chains.results[1]": "it pages nobody that was imported",
    },
    "goalert": {
        "data.users.nodes[0].notificationRules[2]": "its contact method was not imported",
        "data.schedules.nodes[0].targets[2].target": "the export has no such rotation",
        "data.schedules.nodes[0]": "several layers of it are on call at the same time; it became "
        "store, store-2",
        "data.schedules.nodes[0].temporarySchedules[0]": (
            "of a temporary schedule, its shifts became overrides; between them the layers apply"
        ),
        "data.rotations.nodes[1]": "its time zone is another than its schedule's; its hand-overs "
        "are on the clocks of America/Chicago now",
        "data.rotations.nodes[2]": "without nextHandoffTimes it is not known whose turn it is",
        "data.userOverrides": "there are more than this page has",
        "data.userOverrides.nodes[1]": "it adds somebody to whoever is on call",
        "data.userOverrides.nodes[2]": "it removes somebody",
        "data.escalationPolicies.nodes[0].steps[1].actions[2]": (
            "a slack-channel has no counterpart"
        ),
    },
}
"""What of each export has no counterpart; the last remark about a place."""


@pytest.mark.parametrize("product", PRODUCTS)
def test_what_has_no_counterpart_is_a_remark(product: str) -> None:
    remarks = {remark.place: remark.what for remark in imported(product).remarks}
    assert remarks == REMARKS[product]


def oncall(product: str) -> Any:
    return yaml.safe_load(imported(product).oncall)


def policies(product: str) -> Any:
    return yaml.safe_load(imported(product).policies)["policies"]


URGENT: Final = [
    {"contact": "push"},
    {"contact": "sms", "after": "2m"},
    {"contact": "call", "after": "5m"},
]


@pytest.mark.parametrize(
    ("product", "person", "rules"),
    [
        (
            "pagerduty",
            "ana-example",
            [
                {"severity": ["critical", "high", "medium"], "steps": URGENT},
                {"severity": ["low", "info"], "steps": [{"contact": "mail"}]},
            ],
        ),
        ("pagerduty", "ben-sample", [{"steps": [{"contact": "mail"}]}]),
        (
            "opsgenie",
            "ana-example",
            [
                {"severity": ["critical", "high"], "steps": URGENT},
                {"steps": [{"contact": "mail"}]},
            ],
        ),
        (
            "grafana-oncall",
            "ana",
            [
                {
                    "severity": ["critical", "high"],
                    "steps": [{"contact": "call"}, {"contact": "sms", "after": "1m"}],
                },
                {"steps": [{"contact": "push"}, {"contact": "sms", "after": "5m"}]},
            ],
        ),
        (
            "goalert",
            "ana-example",
            [{"steps": [{"contact": "sms"}, {"contact": "call", "after": "5m"}]}],
        ),
    ],
)
def test_notification_rules_become_rules_by_severity(
    product: str, person: str, rules: list[Any]
) -> None:
    assert oncall(product)["people"][person]["rules"] == rules


@pytest.mark.parametrize(
    ("product", "levels", "repeats"),
    [
        (
            "pagerduty",
            [
                {"after": "0s", "schedule": "checkout-primary"},
                {"after": "10m", "schedule": "checkout-secondary", "person": "chloe-muster"},
            ],
            (2, "15m"),
        ),
        (
            "opsgenie",
            [
                {"after": "0s", "schedule": ["ops-schedule", "ops-schedule-2"]},
                {"after": "10m", "schedule": "team-schedule"},
                {"after": "1h", "person": "chloe-muster", "team": "web-checkout"},
            ],
            (3, "15m"),
        ),
        (
            "grafana-oncall",
            [
                {"after": "0s", "schedule": ["primary", "primary-2"]},
                {"after": "5m", "person": "chloe"},
                {
                    "after": "20m",
                    "team": [{"name": "default-20", "mode": "round_robin"}, "web"],
                },
            ],
            (5, "5m"),
        ),
        (
            "goalert",
            [
                {"after": "0s", "schedule": ["store", "store-2"]},
                {"after": "10m", "schedule": "unknown-turn", "person": "ana-example"},
            ],
            (3, "20m"),
        ),
    ],
)
def test_an_escalation_becomes_a_policy(
    product: str, levels: list[Any], repeats: tuple[int, str]
) -> None:
    policy = policies(product)[0]
    assert policy["levels"] == levels
    assert (policy["repeats"], policy["repeat_after"]) == repeats


def test_of_several_escalations_each_is_for_its_services_and_the_last_for_all_others() -> None:
    matches = {policy["name"]: policy.get("match") for policy in policies("pagerduty")}
    assert matches == {
        "checkout": {"service": ["checkout-api", "checkout-web"]},
        "platform": {"labels": {"escalation": ["platform"]}},
        "default": None,
    }
    assert policies("pagerduty")[-1]["levels"] == policies("pagerduty")[0]["levels"]
    what = "incidents that no policy is for page as checkout does"
    assert what in {remark.what for remark in imported("pagerduty").remarks}


def test_people_who_take_turns_in_a_level_become_a_team() -> None:
    assert policies("pagerduty")[1]["levels"][0]["team"] == {
        "name": "platform-1",
        "mode": "round_robin",
    }
    assert oncall("pagerduty")["teams"]["platform-1"]["members"] == ["ana-example", "ben-sample"]


def command(schedule: str, person: str, start: str, end: str) -> str:
    return (
        f"tidegate oncall override {schedule} --person {person} --from {start}:00Z "
        f"--until {end}:00Z --why imported"
    )


@pytest.mark.parametrize(
    ("product", "commands"),
    [
        (
            "pagerduty",
            [command("checkout-primary", "ben-sample", "2026-12-24T08:00", "2026-12-25T08:00")],
        ),
        (
            "opsgenie",
            [
                # One of the rotation of the nights, of which every other one has somebody, and
                # one of the whole schedule; in both of the schedules that it became.
                command("ops-schedule", "ben-sample", "2026-12-01T20:00", "2026-12-02T08:00"),
                command("ops-schedule", "dan-demo", "2026-12-24T08:00", "2026-12-24T20:00"),
                command("ops-schedule-2", "ben-sample", "2026-12-01T20:00", "2026-12-02T08:00"),
                command("ops-schedule-2", "dan-demo", "2026-12-24T08:00", "2026-12-24T20:00"),
            ],
        ),
        (
            "grafana-oncall",
            [
                command("primary", "dan", "2026-12-10T07:00", "2026-12-10T10:00"),
                command("primary-2", "dan", "2026-12-10T07:00", "2026-12-10T10:00"),
                command("deploy-guard", "chloe", "2026-12-11T18:00", "2026-12-12T00:00"),
            ],
        ),
        (
            "goalert",
            [
                # Instead of Ben, whom the second schedule has until Dan's hours begin at 9:00.
                command("store", "dan-demo", "2026-12-08T12:00", "2026-12-08T23:00"),
                command("store", "dan-demo", "2026-12-24T06:00", "2026-12-25T06:00"),
                command("store-2", "dan-demo", "2026-12-08T12:00", "2026-12-08T15:00"),
                command("store-2", "dan-demo", "2026-12-24T06:00", "2026-12-25T06:00"),
            ],
        ),
    ],
)
def test_overrides_become_commands(product: str, commands: list[str]) -> None:
    assert list(imported(product).commands) == commands


def test_an_override_that_has_begun_begins_now() -> None:
    made = imported("pagerduty", now=datetime(2026, 12, 24, 12, tzinfo=UTC))
    assert (
        "tidegate oncall override checkout-primary --person ben-sample --until" in made.commands[0]
    )


def test_of_overrides_that_overlap_the_later_one_of_the_export_wins() -> None:
    def entry(person: str, start: str, end: str) -> dict[str, object]:
        return {"start": f"{start}:00:00Z", "end": f"{end}:00:00Z", "user": {"id": person}}

    entries = [
        entry("P1", "2026-12-01T08", "2026-12-01T20"),
        entry("P2", "2026-12-01T12", "2026-12-01T14"),
    ]
    overrides = {"overrides_subschedule": {"rendered_schedule_entries": entries}}
    made = pagerduty(users=[user(1), user(2)], schedules=[schedule() | overrides])
    assert list(made.commands) == [
        command("primary", "person-1", "2026-12-01T08:00", "2026-12-01T12:00"),
        command("primary", "person-2", "2026-12-01T12:00", "2026-12-01T14:00"),
        command("primary", "person-1", "2026-12-01T14:00", "2026-12-01T20:00"),
    ]
    assert [each.what for each in made.remarks] == [
        "overrides of primary overlap; the later one of the export wins"
    ]


def pagerduty(**sections: object) -> Imported:
    return translate("pagerduty", json.dumps(sections).encode(), "export.json", NOW)


def user(number: int = 1, **fields: object) -> dict[str, object]:
    return {"id": f"P{number}", "name": f"Person {number}", "time_zone": "UTC"} | fields


def schedule(**fields: object) -> dict[str, object]:
    layer = {
        "id": "L1",
        "name": "Layer 1",
        "start": "2026-01-05T09:00:00Z",
        "rotation_virtual_start": "2026-01-05T09:00:00Z",
        "rotation_turn_length_seconds": 604_800,
        "users": [{"user": {"id": "P1"}}],
    }
    return {
        "id": "S1",
        "name": "Primary",
        "time_zone": "UTC",
        "schedule_layers": [layer | fields],
    }


def test_ids_are_unique_slugs_of_names() -> None:
    names = ["Ana Example", "ana example", "Ána  Example!", "名前", "ana@example.com", ""]
    people = yaml.safe_load(
        pagerduty(users=[user(n, name=name) for n, name in enumerate(names)]).oncall
    )["people"]
    assert {id: each["name"] for id, each in people.items()} == {
        "ana-example": "Ana Example",
        "ana-example-2": "ana example",
        "ana-example-3": "Ána Example!",
        "person": "名前",
        "ana": "ana",
        "person-2": "person",
    }


def test_variables_are_unique_although_ids_meet() -> None:
    method = {"id": "C1", "type": "email_contact_method"}
    made = pagerduty(
        users=[
            user(1, name="Ana", contact_methods=[method, method | {"id": "C2"}]),
            user(2, name="Ana Mail", contact_methods=[{"id": "C3", "type": "sms_contact_method"}]),
        ]
    )
    names = [each.name for each in made.variables]
    assert names == ["ONCALL_ANA_MAIL", "ONCALL_ANA_MAIL_2", "ONCALL_ANA_MAIL_SMS"]


def test_a_layer_that_begins_later_begins_with_the_turn_that_is_due_then() -> None:
    users = [{"user": {"id": f"P{n}"}} for n in (1, 2, 3)]
    made = pagerduty(
        users=[user(n) for n in (1, 2, 3)],
        schedules=[schedule(start="2026-12-07T09:00:00Z", users=users)],
    )
    [layer] = yaml.safe_load(made.oncall)["schedules"]["primary"]["layers"]
    # 48 weeks after the fifth of January: the first one's turn.
    assert (str(layer["rotation"]["start"]), layer["rotation"]["people"]) == (
        "2026-12-07",
        ["person-1", "person-2", "person-3"],
    )
    made = pagerduty(
        users=[user(n) for n in (1, 2, 3)],
        schedules=[schedule(start="2026-12-10T12:00:00Z", users=users)],
    )
    [layer] = yaml.safe_load(made.oncall)["schedules"]["primary"]["layers"]
    assert (str(layer["rotation"]["start"]), layer["rotation"]["people"][0]) == (
        "2026-12-14",
        "person-2",
    )
    assert [remark.what for remark in made.remarks] == [
        "it begins at 2026-12-10 12:00, within a turn; ours begins with the next one, at "
        "2026-12-14 09:00"
    ]


@pytest.mark.parametrize(
    ("wrong", "place", "what"),
    [
        ({"users": "nobody"}, "schedule_layers[0].users", "it is not a list, but a text"),
        ({"users": []}, "schedule_layers[0]", "nobody takes turns in it"),
        (
            {"rotation_virtual_start": "soon"},
            "schedule_layers[0].rotation_virtual_start",
            "it is not a date and time",
        ),
        (
            {"rotation_virtual_start": "2026-01-05T09:00:00"},
            "schedule_layers[0].rotation_virtual_start",
            "its time has no offset from UTC",
        ),
        (
            {"rotation_virtual_start": "0001-01-01T00:00:00Z"},
            "schedule_layers[0].rotation_virtual_start",
            "it is not between 2000 and 2099",
        ),
        (
            {"rotation_turn_length_seconds": -3600},
            "schedule_layers[0].rotation_turn_length_seconds",
            "it is not a whole number, but a number",
        ),
        (
            {"restrictions": [{"type": "yearly", "duration_seconds": 1}]},
            "schedule_layers[0].restrictions[0]",
            "its start_time_of_day is not a time of day",
        ),
    ],
)
def test_what_is_wrong_with_a_layer_costs_nothing_else(
    wrong: dict[str, object], place: str, what: str
) -> None:
    made = pagerduty(users=[user()], schedules=[schedule(**wrong)])
    assert made.people == 1
    assert made.remarks[0].place == f"schedules[0].{place}"
    assert what in made.remarks[0].what


def test_a_rotation_with_too_many_turns_is_a_remark() -> None:
    users = [{"user": {"id": "P1"}}] * 101
    made = pagerduty(users=[user()], schedules=[schedule(users=users)])
    assert made.remarks[0].what == "it has more than 100 turns"


def test_a_rule_that_is_for_no_severity_of_its_own_is_left_out() -> None:
    contact = {"contactMethod": "email", "to": "x"}
    step = {"contact": {"method": "email", "to": "x"}}
    rule = {"actionType": "create-alert", "criteria": {"type": "match-all"}, "steps": [step]}
    person = {"id": "1", "fullName": "Ana", "userContacts": [contact]}
    export = {"users": [person | {"notificationRules": [rule, rule]}], "escalations": []}
    made = translate("opsgenie", json.dumps(export).encode(), "export.json", NOW)
    assert yaml.safe_load(made.oncall)["people"]["ana"]["rules"] == [
        {"steps": [{"contact": "mail"}]}
    ]
    [remark] = made.remarks
    assert (remark.place, remark.what) == (
        "users[0].notificationRules[1]",
        "the rules before it have all of its severities",
    )


def test_a_team_that_is_too_large_is_a_remark() -> None:
    team = {"id": "T1", "summary": "Everybody"}
    made = pagerduty(users=[user(n, teams=[team]) for n in range(101)])
    assert (made.people, made.teams) == (101, 0)
    assert made.remarks[0].what == "it has not 1 to 100 members that were imported"


def test_more_commands_than_anybody_runs_are_counted() -> None:
    start = NOW + timedelta(days=1)
    entries = [
        {
            "start": (start + timedelta(hours=n)).isoformat(),
            "end": (start + timedelta(hours=n + 1)).isoformat(),
            "user": {"id": "P1"},
        }
        for n in range(MOST_COMMANDS + 7)
    ]
    overrides = {"overrides_subschedule": {"rendered_schedule_entries": entries}}
    made = pagerduty(users=[user()], schedules=[schedule() | overrides])
    assert len(made.commands) == MOST_COMMANDS
    assert made.remarks[-1].what == f"left out, as more than {MOST_COMMANDS}: 7 overrides"


JUNK: Final[tuple[object, ...]] = (
    None,
    1,
    -1,
    True,
    "x",
    "",
    [],
    {},
    [None],
    10**12,
    "9999-12-31T23:59:59Z",
)


def places(value: Any, *path: str | int) -> list[tuple[str | int, ...]]:
    """The paths of all values within a value."""
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    found = []
    for name, inner in items:
        found += [(*path, name), *places(inner, *path, name)]
    return found


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_value_that_is_not_as_documented_never_ends_in_a_traceback(product: str) -> None:
    """Of every kind of junk one, in some places of the export; always the same ones."""
    whole = json.loads(EXPORTS[product].read_bytes())
    random = Random(product)  # noqa: S311 - chooses places
    for junk in JUNK * 3:
        *path, last = random.choice(places(whole))
        spoiled = deepcopy(whole)
        within = spoiled
        for name in path:
            within = within[name]
        within[last] = junk
        with suppress(ConfigurationError):
            made = translate(product, json.dumps(spoiled).encode(), "export.json", NOW)
            OnCallFile.model_validate(yaml.safe_load(made.oncall))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "export.json is empty"),
        (b"  \n", "export.json is empty"),
        (b"<html>", "export.json is not JSON: Expecting value (line 1, column 1)"),
        (b'{"users": [', "export.json is not JSON"),
        (b"\xff\xfe", "export.json is not JSON"),
        (b"[]", "export.json is not an export, but a list"),
        (b'{"incidents": []}', "export.json has none of what an export of PagerDuty has: users"),
        (b'{"users": 1}', "export.json is not an export of PagerDuty: users: it is not an object"),
        (b'{"users": ' + b"[" * 60 + b"]" * 60 + b"}", "export.json is nested too deeply"),
        (b'{"users": ' + b"[" * 200_000 + b"}", "export.json is nested too deeply"),
        (b" " * (export.MOST_BYTES + 1), "export.json is larger than 32 MiB"),
        (
            b'{"escalations": []}',
            "export.json looks like an export of Opsgenie, not of PagerDuty",
        ),
        (
            json.dumps({"users": [{"id": f"P{n}", "name": "x"} for n in range(2_001)]}).encode(),
            "the export cannot become one file: people: Dictionary should have at most 2000 items",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:20]),
)
def test_what_is_no_export_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        translate("pagerduty", body, "export.json", NOW)
    assert refused.value.message.startswith(problem)
    assert refused.value.fix


def test_where_pagerduty_has_somebody_else_on_call_a_remark_says_when() -> None:
    """As its own final schedule has it: here with the layers in the wrong order."""
    export = json.loads(EXPORTS["pagerduty"].read_bytes())
    final = "schedules[0].schedule.final_schedule"
    assert final not in {remark.place for remark in imported("pagerduty").remarks}
    export["schedules"][0]["schedule"]["schedule_layers"].reverse()
    made = translate("pagerduty", json.dumps(export).encode(), "export.json", NOW)
    assert [remark.what for remark in made.remarks if remark.place == final] == [
        "from 2026-12-25T08:00Z to 2026-12-25T16:00Z it has dan-demo on call, ours chloe-muster"
    ]


def test_an_older_goalert_writes_contact_methods_and_steps_differently() -> None:
    whole = json.loads(EXPORTS["goalert"].read_bytes())["data"]
    older = {"builtin-twilio-sms": "SMS", "builtin-twilio-voice": "VOICE"}
    for user in whole["users"]["nodes"]:
        for method in user["contactMethods"]:
            method["type"] = older.get(method.pop("dest")["type"], "EMAIL")
    for policy in whole["escalationPolicies"]["nodes"]:
        for step in policy["steps"]:
            step["targets"] = [
                {"id": next(iter(each["args"].values())), "type": each["type"][8:], "name": ""}
                for each in step.pop("actions")
            ]
    made = translate("goalert", json.dumps({"data": whole}).encode(), "export.json", NOW)
    assert (made.oncall, made.policies) == (
        imported("goalert").oncall,
        imported("goalert").policies,
    )


def test_an_export_without_anything_becomes_nothing() -> None:
    assert not pagerduty(users=[], schedules=[])
