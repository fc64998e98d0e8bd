"""Who may do what on Azure: each grant is documented, and each role is the one of its name."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.support.azure_snapshot import (
    AZURE,
    PLATFORMS,
    ROOT,
    Resource,
    app_settings,
    made,
    token,
)

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"

BUILT_IN = {
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "090c5cfd-751d-490a-894a-3ce6f1109419": "Azure Service Bus Data Owner",
    "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
}
"""Built-in roles of Azure, which have the same GUIDs in every tenant."""

APPLICATION = "HTTP application"
WHO = {
    "id-functions": "function app",
    "id-application": APPLICATION,
    "id-root-worker": "root worker",
    "id-incident-worker": "incident worker",
    "evgt-documents": "Event Grid topic",
}
BOTH = {"root worker", "incident worker"}
SEVERAL = {"both workers": BOTH, "all three": BOTH | {"function app"}}
"""Rows of the table that stand for several grants."""

CONTAINERS = "Storage/storageAccounts/stdocs/blobServices/default/containers"
WHERE = {
    f"{CONTAINERS}/documents": "the container `documents`",
    f"{CONTAINERS}/reports": "the container `reports`",
    f"{CONTAINERS}/quarantine": "the container `quarantine`",
    f"{CONTAINERS}/undelivered": "the container `undelivered`",
    "Storage/storageAccounts/sthost": "its own host account",
    "Storage/storageAccounts/stapp": "its own host account",
    "ServiceBus/namespaces/sb/queues/blob-events": "the queue `blob-events`",
    "ServiceBus/namespaces/sb/queues/messages": "the queue `messages`",
    "ServiceBus/namespaces/sb/topics/events/subscriptions/tidegate": (
        "the subscription `tidegate` of the topic `events`"
    ),
    "KeyVault/vaults/kv": "the vault",
    "KeyVault/vaults/kv/secrets": "each secret that its parameters name",
    "ContainerRegistry/registries/cr": "the registry",
    "Insights/components/appi": "Application Insights",
}
"""Resources without the token of their names, by how the documentation names them."""


def grant(assignment: Resource) -> tuple[str, str, str]:
    """Who gets which role on what."""
    principal = assignment.at("properties.principalId")
    who = re.match(r"\[reference\('[^']*/([^/']+)'.*principalId\]$", principal)
    assert who, f"{assignment} is for an unknown principal: {principal}"
    assert assignment.at("properties.principalType") == "ServicePrincipal"
    role = assignment.at("properties.roleDefinitionId").rpartition("/")[2]
    where = assignment.scope.rpartition("/providers/Microsoft.")[2]
    without = re.compile(f"-?{token(assignment.example)}")
    place = re.sub("(?<=/secrets)/.*", "", without.sub("", where))
    return WHO[without.sub("", who[1])], BUILT_IN[role], WHERE[place]


def documented() -> set[tuple[str, str, str]]:
    """The grants in the table of the documentation."""
    section = (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")
    section = section.partition("## Who may do what")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|`]+) \| ([^|`]+) \| ([^|(]+?) (?:\([^|]*\) )?\|$", section, re.M)
    return {
        (each, role, where)
        for who, role, where in rows
        if who != "Who"
        for each in SEVERAL.get(who, {who})
    }


@pytest.mark.parametrize("example", PLATFORMS)
def test_the_grants_are_those_in_the_table_of_permissions(example: str) -> None:
    """By their roles' GUIDs: one with a wrong digit is the role of no name, or another one."""
    there = {(who, role, where) for who, role, where in documented() if who != APPLICATION}
    if example == "main.prod":
        there = documented()
    assert {grant(each) for each in made(ASSIGNMENT, example)} == there


def test_the_roles_in_the_templates_are_the_built_in_ones_of_their_names() -> None:
    """Also those that only an option grants, which no example has turned on."""
    guid = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    text = "".join(path.read_text(encoding="utf-8") for path in AZURE.rglob("*.bicep"))
    named = re.findall(rf"^  (\w+): '({guid})'$", text, re.M)
    assert len(named) == len(re.findall(guid, text))
    for symbol, id in named:
        role = BUILT_IN[id].removeprefix("Azure ").replace(" ", "")
        assert symbol.lower() == role.lower()


@pytest.mark.parametrize("example", PLATFORMS)
def test_nothing_is_granted_twice(example: str) -> None:
    assignments = made(ASSIGNMENT, example)
    assert len({(*grant(each), each.scope) for each in assignments}) == len(assignments)


def test_the_application_may_read_the_secrets_that_its_settings_name_and_no_other() -> None:
    scopes = {
        each.scope.partition("/secrets/")[2]
        for each in made(ASSIGNMENT, "main.prod")
        if grant(each)[:2] == (APPLICATION, "Key Vault Secrets User")
    }
    text = " ".join(app_settings("main.prod", "app").values())
    referred = set(re.findall(r"SecretUri=\{0\}secrets/([\w-]+)\)", text))
    read = set(re.findall(r"azure:kv-\w+/([\w-]+)", text))
    assert scopes == referred | read
    assert read == {"links-first", "api-tokens"}
    assert referred == {"temporal-client-certificate", "temporal-client-key"}


@pytest.mark.parametrize("assignment", made(ASSIGNMENT), ids=lambda each: each.example)
def test_a_grants_name_is_made_of_scope_principal_and_role(assignment: Resource) -> None:
    """Otherwise two grants would share a name, or one would get a new name at every deployment."""
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", assignment.name):
        return  # of values that are all known: two with the same parts would have the same ID
    role = assignment.at("properties.roleDefinitionId").rpartition("/")[2]
    principal = assignment.at("properties.principalId").strip("[]")
    assert assignment.name == f"[guid('{assignment.scope}', {principal}, '{role}')]"


@pytest.mark.parametrize("example", PLATFORMS)
def test_every_grant_has_a_name_of_its_own(example: str) -> None:
    assignments = made(ASSIGNMENT, example)
    assert len({each.name for each in assignments}) == len(assignments)


def test_a_role_with_a_wrong_digit_is_found() -> None:
    assignment = made(ASSIGNMENT, "main.dev")[0]
    role = assignment.at("properties.roleDefinitionId")
    wrong = role[:-1] + ("0" if role[-1] != "0" else "1")
    properties = {**assignment.at("properties"), "roleDefinitionId": wrong}
    with pytest.raises(KeyError, match=wrong.rpartition("/")[2]):
        grant(replace(assignment, body={**assignment.body, "properties": properties}))
