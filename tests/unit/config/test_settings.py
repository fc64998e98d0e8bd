from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config.settings import Settings, variables
from core.contracts import WORKERS
from core.errors import SettingsError


def test_without_an_environment_everything_has_its_default() -> None:
    assert Settings.from_env({}) == Settings()


def test_an_empty_variable_is_not_set() -> None:
    assert Settings.from_env({"TIDEGATE_QUARANTINE": " ", "TIDEGATE_CONCURRENCY": ""}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("TIDEGATE_ROUTES", __file__, "routes", Path(__file__)),
        ("TIDEGATE_DOCUMENTS", "s3://docs, file:///b/ ,", "documents", ("s3://docs", "file:///b/")),
        ("TIDEGATE_REPORTS", "s3://docs/reports/", "reports", "s3://docs/reports/"),
        ("TIDEGATE_QUARANTINE", "file:///q", "quarantine", "file:///q"),
        ("TIDEGATE_MAX_EVENT_BYTES", "2048", "max_event_bytes", 2048),
        ("TIDEGATE_MAX_REPORT_BYTES", "4096", "max_report_bytes", 4096),
        ("TIDEGATE_START_TIMEOUT", "0.5", "start_timeout", 0.5),
        ("TIDEGATE_DEADLINE_MARGIN", "3", "deadline_margin", 3.0),
        ("TIDEGATE_CONCURRENCY", "7", "concurrency", 7),
        ("TIDEGATE_ACK_TIMEOUT", "60", "ack_timeout", 60.0),
        (
            "TIDEGATE_INCIDENT_URL",
            "https://ui.example/{id}",
            "incident_url",
            "https://ui.example/{id}",
        ),
        ("TIDEGATE_APP_URL", "https://app.example/tide/", "app_url", "https://app.example/tide"),
        (
            "TIDEGATE_LINK_KEYS",
            "env:LINK_KEY, aws:links#key",
            "link_keys",
            ("env:LINK_KEY", "aws:links#key"),
        ),
        ("TIDEGATE_POLICIES", __file__, "policies", Path(__file__)),
        ("TIDEGATE_ONCALL", __file__, "oncall", Path(__file__)),
        (
            "TIDEGATE_TARGET_VARIABLES",
            '{"CHAT_URLS": "slack://a slack://b", "ROUTING_KEY": "k"}',
            "target_variables",
            (("CHAT_URLS", "slack://a slack://b"), ("ROUTING_KEY", "k")),
        ),
        ("TIDEGATE_WEBHOOKS", __file__, "webhooks", Path(__file__)),
        ("TIDEGATE_CONTINUE_AS_NEW_AFTER", "100", "continue_as_new_after", 100),
        ("TIDEGATE_QUEUE_SCOPE", "billing", "queue_scope", "billing"),
        (
            "TIDEGATE_TRUSTED_TYPES",
            " tidegate.alert,, tidegate.message ",
            "trusted_types",
            ("tidegate.alert", "tidegate.message"),
        ),
        (
            "TIDEGATE_QUEUE_FORMATS",
            " alarms=cloudwatch, news/tidegate = mapped:zabbix,, invoked/message=cloudwatch ",
            "queue_formats",
            (
                ("alarms", "cloudwatch"),
                ("news/tidegate", "mapped:zabbix"),
                ("invoked/message", "cloudwatch"),
            ),
        ),
        ("TIDEGATE_SECRETS_TTL", "60", "secrets_ttl", 60.0),
        ("TIDEGATE_API_TOKENS", "aws:prod/callers", "api_tokens", "aws:prod/callers"),
        (
            "TIDEGATE_SLACK_SIGNING_SECRET",
            "aws:prod/slack#signing",
            "slack_signing_secret",
            "aws:prod/slack#signing",
        ),
        ("TIDEGATE_SLACK_TEAM", "T0123456789", "slack_team", "T0123456789"),
        (
            "TIDEGATE_OIDC_ISSUER",
            "https://login.example/a/",
            "oidc_issuer",
            "https://login.example/a/",
        ),
        ("TIDEGATE_OIDC_AUDIENCE", "api://tidegate", "oidc_audience", "api://tidegate"),
        ("TIDEGATE_OIDC_ROLE", "realm_access.roles", "oidc_role", "realm_access.roles"),
        ("TIDEGATE_OIDC_NAME", '"https://a.example/n"', "oidc_name", '"https://a.example/n"'),
        ("TIDEGATE_CONSOLE_CLIENT_ID", "tidegate", "console_client_id", "tidegate"),
        ("TIDEGATE_CONSOLE_CLIENT_SECRET", "env:SECRET", "console_client_secret", "env:SECRET"),
        ("TIDEGATE_HEALTH_ADDRESS", "127.0.0.1:0", "health_address", "127.0.0.1:0"),
        ("TIDEGATE_METRICS_ADDRESS", "[::]:9464", "metrics_address", "[::]:9464"),
        ("TIDEGATE_DRAIN_TIMEOUT", "0", "drain_timeout", 0.0),
        (
            "TIDEGATE_SERVED_WORKERS",
            " root-worker,, root-worker ",
            "served_workers",
            WORKERS[:1],
        ),
        ("TIDEGATE_IDLE_TIMEOUT", "0.5", "idle_timeout", 0.5),
        ("TIDEGATE_FIRST_TASK_TIMEOUT", "10", "first_task_timeout", 10.0),
        ("TIDEGATE_BUILD_ID", "1.4.0-3f2a9c1", "build_id", "1.4.0-3f2a9c1"),
        ("TIDEGATE_LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ],
)
def test_each_variable_sets_its_field_alone(
    variable: str, text: str, field: str, value: object
) -> None:
    changed = {
        f.name: getattr(settings, f.name)
        for settings in [Settings.from_env({variable: text})]
        for f in fields(settings)
        if getattr(settings, f.name) != f.default
    }
    assert changed == {field: value}


def test_every_variable_is_in_the_table_above() -> None:
    [mark] = test_each_variable_sets_its_field_alone.pytestmark  # type: ignore[attr-defined]
    assert [case[0] for case in mark.args[1]] == [name for name, _, _ in variables()]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("TIDEGATE_ROUTES", "/nowhere.yaml", "there is no such file"),
        ("TIDEGATE_ROUTES", "x" * 5000, "it cannot be read: File name too long"),
        ("TIDEGATE_ROUTES", "/", "it is a folder, not a file"),
        ("TIDEGATE_POLICIES", "/", "it is a folder, not a file"),
        ("TIDEGATE_ONCALL", "/", "it is a folder, not a file"),
        ("TIDEGATE_WEBHOOKS", "/", "it is a folder, not a file"),
        ("TIDEGATE_DOCUMENTS", "s3://docs,docs", "not a URI like s3://my-bucket/records/ or az"),
        ("TIDEGATE_DOCUMENTS", "azure://", "not azure:// with the names of a storage account"),
        ("TIDEGATE_REPORTS", "s3://", "not s3:// with a bucket's name, like s3://my-bucket/rec"),
        ("TIDEGATE_QUARANTINE", "://a", "not a URI like s3://my-bucket/records/ or azure://my"),
        ("TIDEGATE_MAX_EVENT_BYTES", "1023", "not between 1024 and 1.9e+06"),
        ("TIDEGATE_MAX_EVENT_BYTES", "2MB", "not a number"),
        ("TIDEGATE_MAX_REPORT_BYTES", "1900001", "not between 1024 and 1.9e+06"),
        ("TIDEGATE_BUILD_ID", "a b", "not letters, digits and . _ + - (128 at most)"),
        ("TIDEGATE_BUILD_ID", "-x", "not letters, digits and . _ + - (128 at most)"),
        ("TIDEGATE_BUILD_ID", "x" * 129, "not letters, digits and . _ + - (128 at most)"),
        ("TIDEGATE_START_TIMEOUT", "nan", "not between 0.1 and 60"),
        ("TIDEGATE_START_TIMEOUT", "soon", "not a number"),
        ("TIDEGATE_DEADLINE_MARGIN", "-1", "not between 0.1 and 60"),
        ("TIDEGATE_CONCURRENCY", "0", "not between 1 and 1000"),
        ("TIDEGATE_CONCURRENCY", "1.5", "not a number"),
        ("TIDEGATE_ACK_TIMEOUT", "inf", "not between 1 and 86400"),
        ("TIDEGATE_INCIDENT_URL", "https://ui.example/", "it has none of {id}, {handle}, {workfl"),
        ("TIDEGATE_INCIDENT_URL", "https://ui.example/{run_id}", "it has none of {id}, {handle},"),
        ("TIDEGATE_INCIDENT_URL", "https://ui.example/{incident}", "no field {incident}; there ar"),
        ("TIDEGATE_INCIDENT_URL", "https://ui.example/{id}}", "a brace without its other one"),
        ("TIDEGATE_INCIDENT_URL", "https://{id}.example/", "not an http or https address with a f"),
        ("TIDEGATE_INCIDENT_URL", "javascript:{id}", "not an http or https address with a fixed"),
        ("TIDEGATE_INCIDENT_URL", "ui.example/{id}", "not an http or https address with a fixed"),
        ("TIDEGATE_INCIDENT_URL", "https://ui.example/a b/{id}", "not an address: it has blanks"),
        ("TIDEGATE_INCIDENT_URL", "https://ui.example/\x1b{id}", "not an address: it has blanks"),
        ("TIDEGATE_INCIDENT_URL", "https://ui/{id}" + "x" * 500, "longer than 500 characters"),
        ("TIDEGATE_APP_URL", "http://app.example", "not an https address; http is for this mach"),
        ("TIDEGATE_APP_URL", "http://127.0.0.1.example", "not an https address; http is for th"),
        ("TIDEGATE_APP_URL", "app.example", "not an https address; http is for this machine"),
        ("TIDEGATE_APP_URL", "https://", "not an address like https://tidegate.example/path"),
        ("TIDEGATE_APP_URL", "https://app.example/?a=b", "not an address like https://tidegate.ex"),
        ("TIDEGATE_APP_URL", "https://app.example/?", "not an address like https://tidegate.exam"),
        ("TIDEGATE_APP_URL", "https://app.example/#", "not an address like https://tidegate.exam"),
        ("TIDEGATE_APP_URL", r"https://app.example\a", "not an address like https://tidegate.exam"),
        ("TIDEGATE_APP_URL", "https://app.example:0", "not an address like https://tidegate.exam"),
        ("TIDEGATE_APP_URL", "https://app.example:a", "Port could not be cast to integer value"),
        ("TIDEGATE_APP_URL", "https://app.example/#a", "not an address like https://tidegate.ex"),
        ("TIDEGATE_APP_URL", "https://me@app.example", "not an address: it has a user, blanks"),
        ("TIDEGATE_APP_URL", "https://app.example/ a", "not an address: it has a user, blanks"),
        ("TIDEGATE_APP_URL", "https://[app", "Invalid IPv6 URL"),
        ("TIDEGATE_APP_URL", "https://app.example/" + "x" * 200, "longer than 200 characters"),
        ("TIDEGATE_LINK_KEYS", "c2VjcmV0", "entry 1 is not a reference to a secret: env:NAME"),
        ("TIDEGATE_LINK_KEYS", "env:A,env:B,env:C", "it takes one reference, or two while keys"),
        ("TIDEGATE_LINK_KEYS", " , ", "it takes one reference, or two while keys"),
        (
            "TIDEGATE_API_TOKENS",
            "0123456789abcdef0123456789abcdef",
            "not a reference to a secret: ",
        ),
        ("TIDEGATE_OIDC_ISSUER", "http://login.example", "not an https address; http is for this"),
        ("TIDEGATE_SLACK_TEAM", "acme.slack.com", "not the ID of a workspace, such as T0123456789"),
        ("TIDEGATE_OIDC_ISSUER", "login.example", "not an https address; http is for this machine"),
        (
            "TIDEGATE_OIDC_ISSUER",
            "https://login.example/?a=b",
            "not an address like https://login.",
        ),
        (
            "TIDEGATE_OIDC_ISSUER",
            "https://me@login.example",
            "not an address like https://login.ex",
        ),
        ("TIDEGATE_OIDC_AUDIENCE", "a" * 501, "not a line of 500 characters at most"),
        ("TIDEGATE_OIDC_ROLE", "roles[", "not a JMESPath expression"),
        ("TIDEGATE_OIDC_NAME", "x" * 1001, "not a JMESPath expression of 1,000"),
        ("TIDEGATE_CONSOLE_CLIENT_ID", "a\nb", "not a line of 500 characters at most"),
        ("TIDEGATE_CONSOLE_CLIENT_SECRET", "s3cr3t", "not a reference to a secret"),
        ("TIDEGATE_HEALTH_ADDRESS", "8080", "not an address like 127.0.0.1:8080"),
        ("TIDEGATE_HEALTH_ADDRESS", ":8080", "not an address like 127.0.0.1:8080"),
        ("TIDEGATE_METRICS_ADDRESS", "a:66000", "not an address like 127.0.0.1:8080"),
        ("TIDEGATE_DRAIN_TIMEOUT", "4000", "not between 0 and 3600"),
        ("TIDEGATE_SERVED_WORKERS", " , ", "it names none of root-worker, incident-worker"),
        ("TIDEGATE_SERVED_WORKERS", "root-worker,incidents", "entry 2 is not one of root-worker,"),
        ("TIDEGATE_IDLE_TIMEOUT", "0", "not between 0.1 and 60"),
        ("TIDEGATE_FIRST_TASK_TIMEOUT", "61", "not between 0.1 and 60"),
        ("TIDEGATE_QUEUE_FORMATS", "alarms", "entry 1 is not QUEUE=FORMAT or TOPIC/SUBSCRIPTION="),
        ("TIDEGATE_QUEUE_FORMATS", "=grafana", "entry 1 is not QUEUE=FORMAT or TOPIC/SUBS"),
        ("TIDEGATE_QUEUE_FORMATS", "a=s3,a b=grafana", "entry 2 is not QUEUE=FORMAT or TOPIC/S"),
        (
            "TIDEGATE_QUEUE_FORMATS",
            "a=grafana,a=s3",
            "entry 2 names a queue that has a format",
        ),
        ("TIDEGATE_TARGET_VARIABLES", "CHAT_URLS=x", "not a JSON object like {"),
        ("TIDEGATE_TARGET_VARIABLES", '["CHAT_URLS"]', "not a JSON object like {"),
        ("TIDEGATE_TARGET_VARIABLES", "[" * 200_000, "not a JSON object like {"),
        ("TIDEGATE_TARGET_VARIABLES", '{"A":' * 200_000, "not a JSON object like {"),
        ("TIDEGATE_TARGET_VARIABLES", '{"A": "x", "page_urls": "x"}', "entry 2 is not named like"),
        ("TIDEGATE_TARGET_VARIABLES", '{"CHAT_URLS": ["x"]}', "CHAT_URLS is not text"),
        ("TIDEGATE_TARGET_VARIABLES", '{"CHAT_URLS": {"A": "x"}}', "CHAT_URLS is not text"),
        ("TIDEGATE_TARGET_VARIABLES", '{"A": "x", "A": "y"}', "A is there twice"),
        ("TIDEGATE_LOG_LEVEL", "LOUD", "not one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_an_invalid_value_is_named_with_its_variable(
    variable: str, text: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: text})
    assert caught.value.message.startswith(f"{variable}: {message}")


def test_every_invalid_value_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"TIDEGATE_CONCURRENCY": "x", "TIDEGATE_LOG_LEVEL": "y"})
    assert str(caught.value) == (
        "TIDEGATE_CONCURRENCY: not a number; "
        "TIDEGATE_LOG_LEVEL: not one of DEBUG, INFO, WARNING, ERROR "
        "(correct TIDEGATE_CONCURRENCY: Starts that one process has in flight at most; "
        "TIDEGATE_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR)"
    )


def test_the_targets_variables_are_not_shown() -> None:
    settings = Settings.from_env({"TIDEGATE_TARGET_VARIABLES": '{"CHAT_URLS": "hunter2"}'})
    assert "hunter2" not in repr(settings)


def test_a_variable_of_a_target_is_taken_from_the_environment_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHAT_URLS", "slack://own")
    monkeypatch.setenv("ROUTING_KEY", " ")
    settings = Settings(target_variables=(("CHAT_URLS", "slack://x"), ("ROUTING_KEY", "k")))
    found = bootstrap.target_variables(settings)
    assert (found["CHAT_URLS"], found["ROUTING_KEY"]) == ("slack://own", "k")


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_CONCURRENCY", "9")
    assert Settings.from_env().concurrency == 9


def test_a_required_variable_must_be_set() -> None:
    assert Settings(quarantine="s3://q").require("quarantine") == "s3://q"
    with pytest.raises(SettingsError) as caught:
        Settings().require("quarantine")
    assert str(caught.value) == (
        "TIDEGATE_QUARANTINE is not set "
        "(set TIDEGATE_QUARANTINE: URI prefix that quarantined originals are stored under)"
    )
    with pytest.raises(SettingsError, match="TIDEGATE_DOCUMENTS is not set"):
        Settings().require("documents")


@pytest.mark.parametrize("make", [bootstrap.intake, bootstrap.quarantine])
def test_nothing_is_accepted_that_could_not_be_quarantined(make: Any) -> None:
    with pytest.raises(SettingsError, match="TIDEGATE_QUARANTINE is not set"):
        make(Settings())
