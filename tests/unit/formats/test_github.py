from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from core.domain.event import Event
from tests.unit.formats import reading
from tests.unit.formats.reading import payload, payload_json

GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
FORM = "application/x-www-form-urlencoded"


def event(body: object, name: str, **headers: str) -> Event:
    return reading.event("github", body, x_github_event=name, x_github_delivery=GUID, **headers)


def recorded(name: str, **headers: str) -> Event:
    return event(payload("github", name), name.partition("-")[0], **headers)


@pytest.mark.parametrize(
    ("name", "type", "subject", "time"),
    [
        ("issues-opened", "com.github.issues.opened", "1347", "2026-03-04T09:20:18.000Z"),
        (
            "workflow_run-failed",
            "com.github.workflow_run.completed",
            "30433642",
            "2026-03-04T09:16:55.000Z",
        ),
        (
            "dependabot_alert-created",
            "com.github.dependabot_alert.created",
            "2",
            "2026-03-04T07:43:03.000Z",
        ),
        (
            "code_scanning_alert-created",
            "com.github.code_scanning_alert.created",
            "10",
            "2026-03-04T09:00:13.000Z",
        ),
        (
            "secret_scanning_alert-created",
            "com.github.secret_scanning_alert.created",
            "42",
            "2026-03-04T09:02:00.000Z",
        ),
        ("push", "com.github.push", "refs/heads/main", "2026-03-04T08:58:11.000Z"),
    ],
)
def test_every_event_of_a_repository_is_an_event_in_githubs_own_words(
    name: str, type: str, subject: str, time: str
) -> None:
    assert recorded(name) == Event(
        id=GUID,
        source="https://github.com/example-org/checkout",
        type=type,
        subject=subject,
        time=time,
        datacontenttype="application/json",
        data=payload_json("github", name),
        key=f"webhook:prod#{GUID}",
        way="webhook:prod",
        scope="webhook:prod",
    )


@pytest.mark.parametrize(
    ("name", "body", "subject"),
    [
        ("branch_protection_rule", {"rule": {"id": 7}}, "7"),
        ("create", {"ref": "v1.2", "ref_type": "tag"}, "v1.2"),
        ("deploy_key", {"key": {"id": 7}}, "7"),
        ("deployment", {"deployment": {"id": 7}}, "7"),
        ("deployment_protection_rule", {"deployment": {"id": 7}}, "7"),
        ("deployment_review", {"workflow_run": {"id": 7}}, "7"),
        ("discussion", {"discussion": {"id": 9, "number": 7}}, "7"),
        ("discussion_comment", {"comment": {"id": 7}}, "7"),
        ("fork", {"forkee": {"id": 7}}, "7"),
        ("gollum", {"pages": [{"page_name": "Home"}]}, "Home"),
        ("installation", {"installation": {"id": 7}}, "7"),
        ("installation_repositories", {"installation": {"id": 7}}, "7"),
        ("installation_target", {"account": {"id": 7}}, "7"),
        ("issue_dependencies", {"blocked_issue": {"number": 7}}, "7"),
        ("marketplace_purchase", {"marketplace_purchase": {"account": {"id": 7}}}, "7"),
        ("member", {"member": {"id": 7}}, "7"),
        ("membership", {"member": {"login": "octocat"}}, "octocat"),
        ("merge_group", {"merge_group": {"head_sha": "a1b2"}}, "a1b2"),
        ("meta", {"hook_id": 7}, "7"),
        ("org_block", {"blocked_user": {"login": "octocat"}}, "octocat"),
        ("organization", {"membership": {"user": {"login": "octocat"}}}, "octocat"),
        ("page_build", {"id": 1, "build": {"commit": "a1b2"}}, "a1b2"),
        ("pull_request_review_thread", {"pull_request": {"id": 9, "number": 7}}, "7"),
        ("repository_advisory", {"repository_advisory": {"ghsa_id": "GHSA-1"}}, "GHSA-1"),
        ("repository_dispatch", {"branch": "main"}, "main"),
        ("secret_scanning_alert_location", {"alert": {"number": 7}}, "7"),
        ("security_advisory", {"security_advisory": {"ghsa_id": "GHSA-1"}}, "GHSA-1"),
        ("sponsorship", {"sponsorship": {"node_id": "S_1"}}, "S_1"),
        ("status", {"id": 1, "sha": "a1b2"}, "a1b2"),
        ("sub_issues", {"sub_issue": {"number": 7}}, "7"),
        ("team_add", {"team": {"id": 7}}, "7"),
        ("workflow_dispatch", {"ref": "refs/heads/main"}, "refs/heads/main"),
    ],
)
def test_every_event_says_what_it_is_about(name: str, body: dict[str, Any], subject: str) -> None:
    assert event(body, name).subject == subject
    assert event({}, name).subject is None


def test_a_route_can_tell_a_failed_run_from_one_that_succeeded() -> None:
    assert recorded("workflow_run-failed").data["workflow_run"]["conclusion"] == "failure"


def test_an_event_of_an_organisation_has_its_url_as_its_source() -> None:
    result = recorded("organization-member_added")
    assert result.type == "com.github.organization.member_added"
    assert result.source == "https://github.com/example-org"


def test_an_unknown_event_is_an_event_too() -> None:
    result = event({"action": "dreamt", "dream": {"id": 7}, "sender": {}}, "dream")
    assert (result.type, result.subject, result.source) == (
        "com.github.dream.dreamt",
        "7",
        "webhook:prod",
    )


def test_a_ping_is_not_an_event() -> None:
    assert reading.items("github", payload("github", "ping"), x_github_event="ping") == []


def test_a_form_is_read_as_its_json() -> None:
    form = urlencode({"payload": payload("github", "issues-opened").decode()}).encode()
    assert event(form, "issues", content_type=FORM) == recorded("issues-opened")


def test_a_redelivery_is_the_same_event_and_another_delivery_is_not() -> None:
    one, again, other = (
        reading.event(
            "github",
            payload("github", "issues-opened"),
            x_github_event="issues",
            x_github_delivery=guid,
            unique=unique,
        )
        for guid, unique in ((GUID, "u1"), (GUID, "u2"), ("another", "u3"))
    )
    assert one.key == again.key != other.key


def test_a_delivery_without_a_guid_is_unidentified() -> None:
    result = reading.event("github", payload("github", "push"), x_github_event="push")
    assert (result.key, result.unidentified) == (
        f"unidentified:webhook:prod#{reading.UNIQUE}",
        True,
    )


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (
            {"action": "opened"},
            {},
            "there is no X-GitHub-Event header, so it is not a GitHub webhook",
        ),
        (b"[]", {"x_github_event": "push"}, "the body is an array, not a JSON object"),
        (
            b"body=%7B%7D",
            {"x_github_event": "push", "content_type": FORM},
            "the form has 0 fields named 'payload', not one",
        ),
        (
            b'"{}"',
            {"x_github_event": "push"},
            "the body is JSON within a JSON string: it was encoded twice",
        ),
    ],
)
def test_what_is_not_a_github_webhook_is_refused_with_the_reason(
    body: object, headers: dict[str, Any], message: str
) -> None:
    assert reading.refusal("github", body, **headers) == message
