"""The HTTP application on Azure: a function app of its own, with the settings that it reads, and
without a log of what people ask for."""

from __future__ import annotations

import re

import pytest

from core.app.api.requests import LONGEST_BODY
from core.app.incident_links import LONGEST_BODY as LONGEST_FORM
from core.config.settings import Settings
from tests.support.azure_snapshot import (
    ROOT,
    app_settings,
    is_of_the_application,
    made,
    only,
    outputs,
    resources,
    site,
    token,
    variables,
)

PROD = "main.prod"
OF_SLACK = 262_144
"""The longest body of a request of Slack's that is read, in bytes."""


def test_there_is_nothing_of_it_where_links_have_no_keys() -> None:
    assert [each for each in resources("main.dev") if is_of_the_application(each)] == []
    assert outputs("main.dev")["PLATFORM_APPLICATION"] == ""
    assert outputs("main.dev")["PLATFORM_APP_URL"] == ""


def test_it_has_an_identity_a_plan_and_a_host_account_of_its_own() -> None:
    listeners, app = site(PROD), site(PROD, "app")
    for path in ("identity.userAssignedIdentities", "properties.serverFarmId"):
        assert app.at(path) != listeners.at(path)
    [identity] = app.at("identity.userAssignedIdentities")
    assert identity.endswith(f"/id-application-{token(PROD)}")
    given = app_settings(PROD, "app")
    assert given["AzureWebJobsStorage__accountName"] == f"stapp{token(PROD)}"
    assert given["AzureWebJobsStorage__credential"] == "managedidentity"
    for name in ("AzureWebJobsStorage__clientId", "AZURE_CLIENT_ID"):
        assert f"/id-application-{token(PROD)}'" in given[name]
    storage = app.at("properties.functionAppConfig.deployment.storage")
    assert storage["authentication"]["userAssignedIdentityResourceId"] == identity
    assert f"stapp{token(PROD)}" in storage["value"]


def test_no_request_is_written_down_by_the_platform() -> None:
    """Application Insights, and each log of requests, would have the paths, and so the tokens."""
    names = app_settings(PROD, "app")
    assert [name for name in names if re.search("INSIGHTS|INSTRUMENTATION|^OTEL", name)] == []
    app = site(PROD, "app")
    [settings] = [
        each for each in made("Microsoft.Insights/diagnosticSettings", PROD) if each.scope == app.id
    ]
    assert [each["category"] for each in settings.at("properties.logs")] == ["FunctionAppLogs"]


def test_it_has_nothing_of_the_listeners() -> None:
    given = " ".join([*app_settings(PROD, "app"), *app_settings(PROD, "app").values()])
    assert not re.search(r"ServiceBus|servicebus|QUEUE|TOPIC|sthost|TIDEGATE_WEBHOOKS", given)


def test_the_application_understands_its_settings() -> None:
    given = app_settings(PROD, "app")
    read = Settings.from_env(given)
    vault = f"kv-{token(PROD)}"
    assert read.link_keys == (f"azure:{vault}/links-first",)
    assert read.api_tokens == f"azure:{vault}/api-tokens"
    assert (read.oidc_issuer, read.oidc_audience) == (
        "https://login.example.com/tenant",
        "tidegate",
    )
    assert read.oidc_role == "realm_access.roles"
    assert "TIDEGATE_OIDC_NAME" not in given  # the default is the settings'
    assert read.app_url == outputs(PROD)["PLATFORM_APP_URL"]
    worker = app_settings(PROD)
    assert given["TIDEGATE_QUARANTINE"] == worker["TIDEGATE_QUARANTINE"]
    assert read.reports


def test_what_signs_links_verifies_them_under_the_address_that_they_have() -> None:
    worker = only("Microsoft.App/containerApps", "incident-worker.prod")
    [container] = worker.at("properties.template.containers")
    env = variables(container["env"])
    given = app_settings(PROD, "app")
    for name in ("TIDEGATE_APP_URL", "TIDEGATE_LINK_KEYS", "TIDEGATE_REPORTS"):
        assert env[name] == given[name]
    assert env["TIDEGATE_APP_URL"] == f"https://{site(PROD, 'app').name}.azurewebsites.net"
    root = only("Microsoft.App/containerApps", "root-worker.prod")
    assert "TIDEGATE_LINK_KEYS" not in str(root.body)


def test_the_host_refuses_bodies_that_the_application_would_not_take() -> None:
    limit = int(app_settings(PROD, "app")["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])
    largest = max(LONGEST_BODY, LONGEST_FORM, OF_SLACK)
    assert largest < limit <= 1.2 * largest  # what is a little too large is answered by us


def test_an_instance_takes_many_requests_and_the_number_of_instances_is_bounded() -> None:
    scale = site(PROD, "app").at("properties.functionAppConfig.scaleAndConcurrency")
    assert scale["triggers"] == {"http": {"perInstanceConcurrency": 32}}
    assert scale["maximumInstanceCount"] == 40
    assert scale["alwaysReady"] == []


@pytest.mark.parametrize("name", ["application-failures", "application-refused"])
def test_its_alerts_are_there_where_it_is(name: str) -> None:
    rules = [each.example for each in made("Microsoft.Insights/scheduledQueryRules")]
    assert {"main.dev", PROD} <= set(rules)
    found = [
        each.example
        for each in made("Microsoft.Insights/scheduledQueryRules")
        if each.name.rpartition("-")[0] == name
    ]
    assert found == [PROD]


def test_the_guide_publishes_the_package_that_is_made() -> None:
    guide = (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")
    commands = re.findall(
        r"^make azure-app-package .*\n\(cd (\S+) && func azure functionapp publish", guide, re.M
    )
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert commands == re.findall(r"^AZURE_APP := (.*)$", makefile, re.M)
