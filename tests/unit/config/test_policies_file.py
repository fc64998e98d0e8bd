"""The policies file: every mistake is named by file, line, column and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from core.config.files import SHIPPED_POLICIES, load_policies, policies_schema
from core.domain.incident.policies.file import Facts, Policies
from core.domain.incident.policies.policy import OpenAfter, Recurrence
from core.domain.oncall.answer import TeamMode
from core.domain.oncall.file import NOBODY, OnCallFile
from core.domain.targets import unset
from core.errors import ConfigFileError

GOOD = """\
version: 1
targets:
  chat: {url_env: CHAT_URL, fallback: [sms]}
  sms: {url_env: SMS_URLS, at_most: {count: 10, within: 1m}}
  hook: {kind: webhook, url_env: HOOK_URL, secret_env: HOOK_SECRET, follow_up: [resolved]}
  pager: {kind: pagerduty, routing_key_env: PAGER_KEY}
policies:
  - name: payments
    match: {service: [checkout, pay*], severity: [critical, high], labels: {team: payments}}
    levels:
      - {after: 0s, targets: [pager]}
      - {after: 5m, targets: [chat, sms]}
    repeats: 2
    repeat_after: 10m
    repage_every: 2m
    acknowledgement_timeout: 1h
    quiet_hours:
      time_zone: Europe/Berlin
      hours:
        - {days: [mon, tue, wed, thu, fri], from: "22:00", to: "06:00"}
        - {days: [sat, sun], from: "22:00", to: "09:00"}
      unless: high
    auto_resolve_acknowledged: false
    reopen_window: 1h
    recurrence: new
    resolve_if_silent_for: 12h
    maximum_age: 90d
    hold_back: 2m
    open_after: {count: 3, within: 10m}
  - name: default
    levels:
      - {after: TIDEGATE_ACK_TIMEOUT, targets: [hook]}
silences:
  - name: migration
    match: {service: check*}
    from: 2026-01-02T00:00:00Z
    until: 2026-01-03T00:00:00Z
maintenance:
  - name: backups
    match: {labels: {tier: database}, severity: low}
    time_zone: UTC
    hours: [{days: [sun], from: "02:00", to: "04:00"}]
severities:
  - match: {service: billing}
    severity: critical
default_severity: low
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    """The problems of such a file, without the file's name."""
    path = tmp_path / "policies.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigFileError) as caught:
        load_policies(path, NOBODY)
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


@pytest.fixture
def good(tmp_path: Path) -> Policies:
    path = tmp_path / "policies.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return load_policies(path, NOBODY)


def test_the_shipped_file_loads_and_its_schema_accepts_it() -> None:
    jsonschema.Draft202012Validator.check_schema(policies_schema())
    jsonschema.validate(yaml.safe_load(SHIPPED_POLICIES.read_text()), policies_schema())
    policies = load_policies(SHIPPED_POLICIES, NOBODY).policies
    assert [policy.name for policy in policies] == ["default"]


def test_the_schema_accepts_a_file_with_everything(good: Policies) -> None:
    plain = json.loads(json.dumps(yaml.safe_load(GOOD), default=lambda moment: moment.isoformat()))
    jsonschema.validate(plain, policies_schema())


def test_the_shipped_file_pages_immediately_and_escalates_after_the_ack_timeout() -> None:
    policies = load_policies(SHIPPED_POLICIES, NOBODY)
    policy = policies.choose(Facts(), ack_timeout=420)
    assert [(level.after, [t.name for t in level.targets]) for level in policy.levels] == [
        (0, ["on-call"]),
        (420, ["second-line"]),
    ]
    assert (policy.repeats, policy.repage_every, policy.reopen_window) == (0, None, 0)
    environment = {"TIDEGATE_PAGE_URLS": "slack://a", "TIDEGATE_ESCALATION_URLS": " "}
    assert unset(policies.targets, environment) == {"second-line": ("TIDEGATE_ESCALATION_URLS",)}


PAYING = Facts(
    severity="page",
    source="alertmanager",
    service="payout",
    labels={"team": "payments", "tier": "database"},
)


def test_a_policy_has_everything_in_the_file(good: Policies) -> None:
    policy = good.choose(PAYING, ack_timeout=300)
    assert policy.name == "payments"
    assert [level.after for level in policy.levels] == [0, 300]
    assert [(t.name, t.fallback) for t in policy.levels[1].targets] == [
        ("chat", ("sms",)),
        ("sms", ()),
    ]
    assert policy.levels[0].targets[0].variables == ("PAGER_KEY",)
    assert (policy.repeats, policy.repeat_after, policy.repage_every) == (2, 600, 120)
    assert (policy.acknowledgement_timeout, policy.hold_back) == (3600, 120)
    assert policy.quiet_hours is not None
    assert (len(policy.quiet_hours.hours), policy.quiet_hours.unless) == (2, "high")
    assert policy.auto_resolve_acknowledged is False
    assert (policy.reopen_window, policy.recurrence) == (3600, Recurrence.NEW)
    assert (policy.resolve_if_silent_for, policy.maximum_age) == (12 * 3600, 90 * 86_400)
    assert policy.open_after == OpenAfter(count=3, within=600)
    assert policy.default_severity == "low"
    assert [window.name for window in policy.maintenance] == ["backups"]
    assert policy.maintenance[0].severities == ("low",)
    assert policy.silences == ()
    assert type(policy).model_validate_json(policy.model_dump_json()) == policy


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "payments"),
        ({"service": "checkout"}, "payments"),
        ({"service": "checkout2"}, "default"),
        ({"service": "PAYOUT"}, "default"),
        ({"service": None}, "default"),
        ({"severity": "error"}, "payments"),
        ({"severity": "warning"}, "default"),
        ({"severity": "loud"}, "default"),  # unknown, hence low
        ({"severity": None}, "default"),
        ({"labels": {}}, "default"),
        ({"labels": {"team": "checkout"}}, "default"),
    ],
)
def test_the_first_policy_that_matches_in_every_field_is_chosen(
    good: Policies, change: dict[str, Any], name: str
) -> None:
    facts = PAYING.model_copy(update=change)
    assert good.choose(facts, ack_timeout=300).name == name


@pytest.mark.parametrize(
    ("source", "name"),
    [("alertmanager", "pair"), ("Alertmanager", "default"), (None, "default"), ("cw", "default")],
)
def test_a_policy_may_be_for_what_a_source_opens(source: str | None, name: str) -> None:
    file = yaml.safe_load(GOOD)
    file["policies"][0] |= {"name": "pair", "match": {"source": ["alert*", "grafana"]}}
    found = Policies.model_validate(file).choose(
        PAYING.model_copy(update={"source": source}), ack_timeout=300
    )
    assert found.name == name


def test_a_missing_severity_is_set_by_rule_or_default(good: Policies) -> None:
    facts = Facts(severity=None, source="cloudwatch", service="billing")
    assert good.choose(facts, ack_timeout=300).default_severity == "critical"
    facts = Facts(severity=None, source="cloudwatch", service="mail")
    assert good.choose(facts, ack_timeout=300).default_severity == "low"


def test_a_policy_carries_the_silences_that_match(good: Policies) -> None:
    silenced = good.choose(Facts(service="checkout"), ack_timeout=300)
    assert [silence.name for silence in silenced.silences] == ["migration"]
    assert good.choose(Facts(service="mail"), ack_timeout=300).silences == ()


def test_unset_variables_are_listed_by_target(good: Policies) -> None:
    assert unset(good.targets, {"CHAT_URL": "slack://x", "HOOK_URL": "https://x"}) == {
        "sms": ("SMS_URLS",),
        "hook": ("HOOK_SECRET",),
        "pager": ("PAGER_KEY",),
    }


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "targets: [pager]",
            "targets: [pagr]",
            "11:31: policies[0].levels[0].targets[0]: there is "
            "no target 'pagr'; there are chat, sms, hook, pager",
        ),
        (
            "{after: 5m, targets: [chat, sms]}",
            "{targets: [chat]}",
            "12:9: policies[0].levels[1].after: Field required",
        ),
        (
            "{after: 5m,",
            "{after: soon,",
            "12:17: policies[0].levels[1].after: not a duration like "
            "0s, 30s or 5m, nor TIDEGATE_ACK_TIMEOUT",
        ),
        ("{after: 5m,", "{after: 300,", "12:17: policies[0].levels[1].after: not a duration"),
        ("{after: 5m,", "{after: 0s,", "12:17: policies[0].levels[1].after: it is not later"),
        (
            "{after: 5m, targets: [chat, sms]}",
            "{after: 5m, targets: [chat, chat]}",
            "12:37: policies[0].levels[1].targets[1]: chat is there twice",
        ),
        (
            "targets: [pager]",
            "targets: []",
            "11:9: policies[0].levels[0]: it pages nobody: it has no targets, schedule, person or",
        ),
        (
            "follow_up: [resolved]",
            "follow_up: [assigned]",
            "5:81: targets.hook.follow_up[0]: Input should be",
        ),
        (
            "follow_up: [resolved]",
            "follow_up: [resolved, resolved]",
            "5:80: targets.hook.follow_up: resolved is there twice",
        ),
        (
            "fallback: [sms]",
            "fallback: [smoke]",
            "3:40: targets.chat.fallback[0]: there is no "
            "target 'smoke'; there are chat, sms, hook, pager",
        ),
        ("fallback: [sms]", "fallback: [chat]", "3:39: targets.chat.fallback: it falls back to"),
        ("kind: pagerduty", "kind: smoke", "6:10: targets.pager: kind is one of apprise, webhook"),
        (
            "url_env: CHAT_URL",
            "url_env: 'https://x/?token=1'",
            "3:19: targets.chat.url_env: String should match pattern",
        ),
        ("url_env: CHAT_URL", "url: CHAT_URL", "3:10: targets.chat.url: there is no such field"),
        (", secret_env: HOOK_SECRET", "", "5:9: targets.hook.secret_env: Field required"),
        ("    repeat_after: 10m\n", "", "13:14: policies[0].repeats: `repeat_after` must say"),
        ("    repeats: 2\n", "", "13:19: policies[0].repeat_after: it means nothing without"),
        ("repage_every: 2m", "repage_every: 1s", "15:19: policies[0].repage_every: nobody can"),
        (
            "Europe/Berlin",
            "Berlin",
            "18:18: policies[0].quiet_hours.time_zone: 'Berlin' is not a "
            "time zone like Europe/Berlin or UTC",
        ),
        (
            'from: "22:00", to: "06:00"',
            "from: 22:00, to: 06:00",
            "20:51: policies[0].quiet_hours.hours[0].from: not a time of day in quotes",
        ),
        (
            "days: [sat, sun]",
            "days: [fri, sat]",
            "21:11: policies[0].quiet_hours.hours[1]: it overlaps hours above it",
        ),
        ("unless: high", "unless: info", "22:15: policies[0].quiet_hours.unless: then every"),
        ("hold_back: 2m", "hold_back: 90d", "28:16: policies[0].hold_back: it is not shorter"),
        ("reopen_window: 1h", "reopen_window: 31d", "24:20: policies[0].reopen_window: it is long"),
        ("count: 3,", "count: 1,", "29:25: policies[0].open_after.count: Input should be greater"),
        (
            "  - name: default\n",
            "  - name: default\n    match: {service: x}\n",
            "31:12: policies[1].match: the last policy has no match",
        ),
        (
            "    match: {service: [checkout, pay*], severity: [critical, high], "
            "labels: {team: payments}}\n",
            "",
            "8:5: policies[0]: without a match it fits everything",
        ),
        (
            "{service: [checkout, pay*], severity: [critical, high], labels: {team: payments}}",
            "{}",
            "9:12: policies[0].match: it names neither source, service, severity nor labels",
        ),
        (
            "severity: [critical, high]",
            "severity: [P1]",
            "9:51: policies[0].match.severity[0]: Input should be 'critical', 'high'",
        ),
        ("name: default", "name: payments", "30:11: policies[1].name: there is another one named"),
        (
            "until: 2026-01-03T00:00:00Z",
            "until: 2026-01-01T00:00:00Z",
            "34:5: silences[0]: `until` is not after `from`",
        ),
        ("until: 2026-01-03T00:00:00Z", "until: 2026-01-03", "37:12: silences[0].until: "),
        ("    match: {service: check*}\n", "", "34:5: silences[0].match: Field required"),
        (
            "  - match: {service: billing}",
            "  - match: {severity: low}",
            "44:12: severities[0].match: there is no severity yet to match by",
        ),
        ("default_severity: low", "default_severity: P4", "46:19: default_severity: Input should"),
        ("version: 1", "version: 2", "1:10: version: Input should be 1"),
        ("hold_back: 2m", "hold_backs: 2m", "28:5: policies[0].hold_backs: there is no such field"),
    ],
)
def test_a_mistake_is_named_by_line_column_and_field(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in GOOD
    reported = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(each.startswith(problem) for each in reported), reported


ON_CALL = OnCallFile.model_validate(
    {
        "version": 1,
        "people": {"ana": {"name": "Ana", "time_zone": "UTC"}},
        "teams": {"web": {"members": ["ana"]}},
        "schedules": {
            "checkout": {
                "time_zone": "UTC",
                "layers": [
                    {
                        "name": "all",
                        "rotation": {"people": ["ana"], "every": "week", "start": "2026-01-05"},
                    }
                ],
            }
        },
    }
)
LEVEL = """\
version: 1
targets: {{chat: {{url_env: CHAT}}}}
policies:
  - name: default
    levels:
      - after: 0s
        {}
"""


def on_call_problems(folder: Path, field: str, oncall: OnCallFile = ON_CALL) -> list[str]:
    path = folder / "policies.yaml"
    path.write_text(LEVEL.format(field))
    with pytest.raises(ConfigFileError) as caught:
        load_policies(path, oncall)
    return [each.removeprefix(f"{path}:") for each in caught.value.problems]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (["schedule: checkout"], ("schedule checkout",)),
        (["person: [ana]"], ("person ana",)),
        (["team: web"], ("team web",)),
        (["team: {name: web, mode: round_robin}"], ("team web",)),
        (
            ["targets: [chat]", "schedule: checkout", "person: ana", "team: [web]"],
            ("chat", "schedule checkout", "person ana", "team web"),
        ),
    ],
)
def test_a_level_pages_targets_schedules_people_and_teams(
    tmp_path: Path, fields: list[str], names: tuple[str, ...]
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(LEVEL.format("\n        ".join(fields)))
    [level] = load_policies(path, ON_CALL).choose(Facts(), ack_timeout=300).levels
    assert level.names == names


def test_the_mode_of_a_team_is_recorded_with_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(LEVEL.format("team: {name: web, mode: round_robin}"))
    [level] = load_policies(path, ON_CALL).choose(Facts(), ack_timeout=300).levels
    assert [each.mode for each in level.recipients] == [TeamMode.ROUND_ROBIN]


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (
            "schedule: checkuot",
            "7:19: policies[0].levels[0].schedule: there is no schedule 'checkuot' in the "
            "on-call file; there are checkout",
        ),
        (
            "person: [ana, ben]",
            "7:23: policies[0].levels[0].person[1]: there is no person 'ben' in the on-call file; "
            "there are ana",
        ),
        (
            "team: {name: wbe, mode: all}",
            "7:15: policies[0].levels[0].team: there is no team 'wbe' in the on-call file; "
            "there are web",
        ),
        ("person: [ana, ana]", "7:23: policies[0].levels[0].person[1]: ana is there twice"),
        ("team: [web, web]", "7:21: policies[0].levels[0].team[1]: web is there twice"),
        ("team: {name: web, mode: turns}", "7:33: policies[0].levels[0].team"),
        ("schedule: []", "6:9: policies[0].levels[0]: it pages nobody"),
    ],
)
def test_a_name_that_the_on_call_file_does_not_have_is_named_by_line_and_column(
    tmp_path: Path, field: str, problem: str
) -> None:
    reported = on_call_problems(tmp_path, field)
    assert any(each.startswith(problem) for each in reported), reported


def test_without_an_on_call_file_a_level_pages_no_schedule(tmp_path: Path) -> None:
    [problem] = on_call_problems(tmp_path, "schedule: checkout", NOBODY)
    assert problem.endswith(
        "there is no schedule 'checkout' in the on-call file; it has no schedule"
    )


def test_a_file_without_policies_is_refused(tmp_path: Path) -> None:
    text = "version: 1\ntargets:\n  a: {url_env: A}\npolicies: []\n"
    assert problems(tmp_path, text) == [
        "4:11: policies: List should have at least 1 item after validation, not 0"
    ]


def test_the_published_schema_is_current() -> None:
    published = Path(__file__).parents[3] / "docs" / "schemas" / "policies.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == policies_schema()
