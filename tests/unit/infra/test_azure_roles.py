"""Who may do what on Azure: role names match their GUIDs, and each grant is documented."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.azure_templates import AZURE, ROOT, files, made, template, text
from tests.support.bicep_model import BicepFile, Choice, Expression, Resource

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"

BUILT_IN = {
    "acrPull": ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d"),
    "keyVaultSecretsUser": ("Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6"),
    "monitoringMetricsPublisher": (
        "Monitoring Metrics Publisher",
        "3913510d-42f4-4e42-8a64-420c390055eb",
    ),
    "serviceBusDataOwner": ("Azure Service Bus Data Owner", "090c5cfd-751d-490a-894a-3ce6f1109419"),
    "serviceBusDataReceiver": (
        "Azure Service Bus Data Receiver",
        "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
    ),
    "serviceBusDataSender": (
        "Azure Service Bus Data Sender",
        "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
    ),
    "storageBlobDataContributor": (
        "Storage Blob Data Contributor",
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    ),
    "storageBlobDataOwner": ("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"),
    "storageBlobDataReader": ("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"),
    "storageTableDataContributor": (
        "Storage Table Data Contributor",
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    ),
}
"""Azure's built-in roles in use: the same GUIDs in every tenant."""

WHO = {
    "functions": "function app",
    "incidentWorker": "incident worker",
    "processes": "all three",
    "[rootWorker, incidentWorker]": "both workers",
    "uploads.identity.principalId": "Event Grid topic",
}
WHERE = {
    "documentsStore::blobs::documents": "the container `documents`",
    "documentsStore::blobs::reports": "the container `reports`",
    "documentsStore::blobs::quarantine": "the container `quarantine`",
    "store::blobs::undelivered": "the container `undelivered`",
    "hostStore": "its own host account",
    "namespace::blobEvents": "the queue `blob-events`",
    "namespace::events": "the queue `blob-events`",
    "namespace::messages": "the queue `messages`",
    "namespace::topic::subscription": "the subscription `tidegate` of the topic `events`",
    "secrets": "the vault",
    "images": "the registry",
    "telemetry": "Application Insights",
}
"""Symbols of access.bicep and event-grid.bicep, by their names in the documentation."""


def grants() -> list[tuple[BicepFile, Resource]]:
    return made(ASSIGNMENT)


def test_the_roles_are_the_built_in_ones_of_their_names() -> None:
    assert template("modules/roles").variables["roles"] == {
        n: id for n, (_, id) in BUILT_IN.items()
    }


def test_no_other_role_is_used() -> None:
    known = {id for _, id in BUILT_IN.values()}
    for path in AZURE.rglob("*.bicep"):
        found = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", path.read_text()))
        assert found <= known, path.name


def role_of(file: BicepFile, grant: Resource) -> str:
    """The role's key; for a choice, the default."""
    definition: Any = grant.body["properties"]["roleDefinitionId"]
    role = text(definition).removesuffix(")").rpartition(", ")[2]
    chosen = file.variables.get(role)
    if isinstance(chosen, Choice):
        assert text(chosen.condition) == "scaleByQueueLength"
        assert file.params["scaleByQueueLength"].default is None
        assert template("main").params["scaleByQueueLength"].default is False
        role = text(chosen.no)
    return role.removeprefix("roles.")


@pytest.mark.parametrize("grant", grants(), ids=lambda pair: pair[1].name)
def test_every_grant_is_in_the_table_of_permissions(grant: tuple[BicepFile, Resource]) -> None:
    file, assignment = grant
    who = (
        assignment.over
        if assignment.over is not None
        else assignment.body["properties"]["principalId"]
    )
    said_who = "[" + ", ".join(map(text, who)) + "]" if isinstance(who, list) else text(who)
    role, _ = BUILT_IN[role_of(file, assignment)]
    row = f"| {WHO[said_who]} | {role} | {WHERE[text(assignment.body['scope'])]}"
    assert row in (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")


def test_the_table_of_permissions_has_no_more_rows_than_there_are_grants() -> None:
    rows = re.findall(
        rf"^\| ({'|'.join(map(re.escape, WHO.values()))}) \| (?!`)",
        (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8"),
        re.M,
    )
    assert len(rows) == len(grants())


@pytest.mark.parametrize("grant", grants(), ids=lambda pair: pair[1].name)
def test_a_grants_name_is_made_of_scope_principal_and_role(
    grant: tuple[BicepFile, Resource],
) -> None:
    """Otherwise two grants would share a name, or one would get a new name at every deployment."""
    _, assignment = grant
    name = assignment.body["name"]
    assert isinstance(name, Expression)
    scope, principal, role = (text(part) for part in name.parts[-1].parts)
    assert scope == f"{text(assignment.body['scope'])}.id"
    assert principal in {
        text(assignment.body["properties"]["principalId"]),
        "uploads.id",  # the topic's principal is not known before the topic exists
    }
    assert text(assignment.body["properties"]["roleDefinitionId"]).endswith(f", {role})")
    assert assignment.body["properties"]["principalType"] == "ServicePrincipal"


def test_roles_are_assigned_in_two_files_only() -> None:
    holders = {f.path.name for f in files() for r in f.resources if r.type == ASSIGNMENT}
    assert holders == {"access.bicep", "event-grid.bicep"}
