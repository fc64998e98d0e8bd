"""What a local stack takes of its caller's settings, and what it refuses before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.settings import local_settings
from core.errors import ConfigFileError, SettingsError
from infra.local.caller import read_caller
from tests.support.cli import Tidegate

# Up to Python 3.12, apprise imports a module that is deprecated there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

POLICIES = """\
version: 1
targets:
  chat: {url_env: CHECKOUT_CHAT_URLS}
  team: {url_env: TIDEGATE_TEAM_URLS}
  on-call: {url_env: TIDEGATE_PAGE_URLS}
  cloud: {url_env: AWS_PROFILE}
policies:
  - name: all
    levels: [{after: 0s, targets: [chat, team, on-call, cloud]}]
"""
ONCALL = """\
version: 1
people:
  ana: {name: Ana, time_zone: Europe/Madrid, contacts: {push: {url_env: ANA_PUSH}}}
schedules:
  first:
    time_zone: Europe/Madrid
    layers: [{name: team, ical: {url_env: TEAM_CALENDAR}, not_on: {url_env: HOLIDAYS}}]
"""
WEBHOOKS = """\
version: 1
hooks:
  mine:
    format: alertmanager
    verify: {scheme: bearer, secrets: ["env:TIDEGATE_HOOK_TOKEN", "file:/run/secrets/other"]}
"""
LOCAL = {
    "TIDEGATE_ROUTES": "caller",
    "TIDEGATE_DOCUMENTS": "stack",
    "TIDEGATE_REPORTS": "stack",
    "TIDEGATE_QUARANTINE": "stack",
    "TIDEGATE_MAX_EVENT_BYTES": "caller",
    "TIDEGATE_MAX_REPORT_BYTES": "caller",
    "TIDEGATE_START_TIMEOUT": "caller",
    "TIDEGATE_DEADLINE_MARGIN": "caller",
    "TIDEGATE_CONCURRENCY": "caller",
    "TIDEGATE_ACK_TIMEOUT": "caller",
    "TIDEGATE_INCIDENT_URL": "caller",
    "TIDEGATE_APP_URL": "stack",
    "TIDEGATE_LINK_KEYS": "stack",
    "TIDEGATE_POLICIES": "caller",
    "TIDEGATE_ONCALL": "caller",
    "TIDEGATE_TARGET_VARIABLES": "caller",
    "TIDEGATE_WEBHOOKS": "caller",
    "TIDEGATE_CONTINUE_AS_NEW_AFTER": "caller",
    "TIDEGATE_QUEUE_SCOPE": "caller",
    "TIDEGATE_TRUSTED_TYPES": "caller",
    "TIDEGATE_QUEUE_FORMATS": "caller",
    "TIDEGATE_SECRETS_TTL": "caller",
    "TIDEGATE_API_TOKENS": "caller",
    "TIDEGATE_SLACK_SIGNING_SECRET": "caller",
    "TIDEGATE_SLACK_TEAM": "caller",
    "TIDEGATE_OIDC_ISSUER": "caller",
    "TIDEGATE_OIDC_AUDIENCE": "caller",
    "TIDEGATE_OIDC_ROLE": "caller",
    "TIDEGATE_OIDC_NAME": "caller",
    "TIDEGATE_CONSOLE_CLIENT_ID": "caller",
    "TIDEGATE_CONSOLE_CLIENT_SECRET": "caller",
    "TIDEGATE_HEALTH_ADDRESS": "stack",
    "TIDEGATE_METRICS_ADDRESS": "stack",
    "TIDEGATE_DRAIN_TIMEOUT": "stack",
    "TIDEGATE_SERVED_WORKERS": "stack",
    "TIDEGATE_IDLE_TIMEOUT": "caller",
    "TIDEGATE_FIRST_TASK_TIMEOUT": "caller",
    "TIDEGATE_BUILD_ID": "stack",
    "TIDEGATE_LOG_LEVEL": "caller",
}


def test_every_setting_is_the_caller_s_or_the_stack_s() -> None:
    assert local_settings() == LOCAL


def test_the_caller_s_settings_are_taken_and_the_stack_s_own_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policies.yaml").write_text(POLICIES)
    Path("oncall.yaml").write_text(ONCALL)
    Path("webhooks.yaml").write_text(WEBHOOKS)
    taken = {
        "TIDEGATE_ACK_TIMEOUT": "10",
        "TIDEGATE_LOG_LEVEL": "DEBUG",
        "TIDEGATE_QUEUE_FORMATS": "alarms=cloudwatch",
        "CHECKOUT_CHAT_URLS": "json://127.0.0.1/chat",
        "TIDEGATE_TEAM_URLS": "json://127.0.0.1/team",
        "TIDEGATE_HOOK_TOKEN": "a-secret",
        "TIDEGATE_API_TOKENS": "env:TIDEGATE_CALLERS",
        "TIDEGATE_CALLERS": "another-secret",
        "ANA_PUSH": "json://127.0.0.1/ana",
        "TEAM_CALENDAR": "https://calendars.example/a-secret",
        "HOLIDAYS": "https://calendars.example/holidays",
    }
    own = {
        "AWS_PROFILE": "mine",
        "TEMPORAL_ADDRESS": "cloud.example.com:7233",
        "TIDEGATE_BUILD_ID": "not even valid!",
        "TIDEGATE_DOCUMENTS": "s3://mine/",
        "TIDEGATE_PAGE_URLS": "slack://a/b/c",
        "TIDEGATE_ROUTE": "misspelt.yaml",
    }
    files = {
        "TIDEGATE_POLICIES": "policies.yaml",
        "TIDEGATE_ONCALL": "oncall.yaml",
        "TIDEGATE_WEBHOOKS": "webhooks.yaml",
    }
    rest = {"HOME": "/root", "TIDEGATE_ROUTES": " "}
    caller = read_caller(taken | own | files | rest)
    absolute = {name: str(tmp_path / file) for name, file in files.items()}
    assert caller.variables == taken | absolute
    assert caller.unused == tuple(sorted(own))


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("TIDEGATE_ACK_TIMEOUT", "soon", "TIDEGATE_ACK_TIMEOUT: not a number"),
        ("TIDEGATE_POLICIES", "none.yaml", "TIDEGATE_POLICIES: there is no such file"),
        ("TIDEGATE_ONCALL", "none.yaml", "TIDEGATE_ONCALL: there is no such file"),
        ("TIDEGATE_QUEUE_FORMATS", "a=pigeon", "TIDEGATE_QUEUE_FORMATS: entry 1"),
        ("TIDEGATE_OIDC_ISSUER", "https://a.example", "TIDEGATE_OIDC_AUDIENCE is not set"),
        ("TIDEGATE_TARGET_VARIABLES", "[]", "TIDEGATE_TARGET_VARIABLES: not a JSON object"),
    ],
)
def test_a_setting_that_no_process_could_use_is_refused(
    variable: str, text: str, said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_caller({variable: text})
    assert refused.value.message.startswith(said)
    assert refused.value.fix


def test_an_address_of_a_person_that_can_never_work_is_refused_by_its_variable(
    tmp_path: Path,
) -> None:
    oncall = tmp_path / "oncall.yaml"
    oncall.write_text(ONCALL)
    given = {"TIDEGATE_ONCALL": str(oncall), "ANA_PUSH": "no-such-service://x"}
    with pytest.raises(SettingsError, match=r"^ANA_PUSH: ana/push: "):
        read_caller(given)


def test_an_address_that_can_never_work_is_refused_by_its_variable(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(POLICIES)
    given = {"TIDEGATE_POLICIES": str(policies), "CHECKOUT_CHAT_URLS": "no-such-service://x"}
    with pytest.raises(SettingsError, match=r"^CHECKOUT_CHAT_URLS: "):
        read_caller(given)


@pytest.mark.parametrize(
    "variable", ["TIDEGATE_ROUTES", "TIDEGATE_POLICIES", "TIDEGATE_ONCALL", "TIDEGATE_WEBHOOKS"]
)
@pytest.mark.parametrize("text", ["version: 1\nroutes: [\n", "version: 1\nnone: {}\n", "\xff"])
def test_a_half_written_file_is_refused_by_line_and_column(
    tmp_path: Path, variable: str, text: str
) -> None:
    file = tmp_path / "half.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigFileError) as refused:
        read_caller({variable: str(file)})
    assert refused.value.problems[0].startswith(f"{file}:")
    if text.isascii():
        assert refused.value.problems[0].removeprefix(f"{file}:").split(":")[0].isdigit()


def test_dev_refuses_a_wrong_file_before_anything_starts(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("routes.yaml").write_text("version: 1\nroutes:\n  - name: a\n    when: now\n")
    monkeypatch.setenv("TIDEGATE_ROUTES", "routes.yaml")
    result = tidegate("dev")
    assert result.code == 2
    assert "routes.yaml:4:5: routes[0].when: there is no such field" in result.err
    assert not Path(".tidegate/dev").exists()
