"""The composition root: the only place that picks adapters. Production and tests both call it.

Whatever it makes is imported when it is made, so that a process does not pay for a store or a
channel that its settings do not name, nor for what only others need.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from core.config.settings import Settings, meaning
from core.contracts import SERVERLESS_DEPLOYMENT
from core.errors import SecretUnavailable, SettingsError

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.runtime import Runtime

    from core.adapters.notifiers.addresses import Addresses
    from core.adapters.temporal.workflows import TemporalWorkflows
    from core.config.secrets import Secrets
    from core.domain.incident.policies.file import Policies
    from core.domain.oncall.file import OnCallFile
    from core.domain.routing.table import WorkflowRouter
    from core.domain.targets import TargetConfig
    from core.domain.validation import EventValidationService
    from core.formats.mapping.mapping import AlertMapping
    from core.formats.shared.delivery import Delivery
    from core.formats.shared.queue_format import QueueFormat
    from core.intake.accept import Intake
    from core.intake.quarantine import Quarantine
    from core.links import LinkKeys, PageLinks
    from core.ports.calendars import CalendarReader
    from core.ports.deployment import Deployment
    from core.ports.documents import DocumentStore
    from core.ports.notifier import Notifier
    from core.ports.secrets import SecretStore
    from core.ports.worker_deployment import Configuration, Stack, WorkerDeployment
    from core.ports.workflows import Workflows
    from core.webhooks.endpoints import WebhookTable
    from core.webhooks.pipeline import Webhooks


def intake(settings: Settings, *, workflows: Workflows | None = None) -> Intake:
    """The intake of one process. Raises `SettingsError` when TIDEGATE_QUARANTINE is not set: what
    cannot be quarantined must not be accepted."""
    from core.intake.accept import Intake

    settings.require("quarantine")
    return Intake(
        workflows=workflows or temporal_workflows(settings),
        router=router(settings),
        quarantine=quarantine(settings),
        validation=validation(settings),
        concurrency=settings.concurrency,
    )


def validation(settings: Settings) -> EventValidationService:
    from core.domain.validation import EventValidationService

    return EventValidationService(
        documents=settings.documents,
        max_bytes=settings.max_event_bytes,
        quarantine=settings.quarantine,
    )


def documents(settings: Settings) -> DocumentStore:
    """The store for the documents that events may refer to, and for the reports."""
    return _stores(*settings.documents, *([settings.reports] if settings.reports else []))


def quarantine(settings: Settings) -> Quarantine:
    """Raises `SettingsError` when TIDEGATE_QUARANTINE is not set."""
    from core.intake.quarantine import Quarantine

    root = settings.require("quarantine")
    return Quarantine(_stores(root), root)


def _stores(*roots: str) -> DocumentStore:
    from core.adapters.documents.router import DocumentStores

    return DocumentStores(STORES, roots=roots)


def webhooks(settings: Settings, *, intake: Intake) -> Webhooks:
    """The webhooks of one process. Raises `SettingsError` or `ConfigFileError`."""
    from core.webhooks.pipeline import Webhooks

    return Webhooks(table=webhook_table(settings), secrets=secrets(settings), intake=intake)


def webhook_table(settings: Settings) -> WebhookTable:
    """The webhooks' endpoints. Raises `SettingsError` when TIDEGATE_WEBHOOKS is not set, or
    `ConfigFileError`."""
    from core.config.files import load_webhooks

    return load_webhooks(settings.require("webhooks"))


def mapping_of(delivery: Delivery, settings: Settings) -> AlertMapping | None:
    """The mapping of the webhook or queue that received a delivery, as it is now; None where it has
    none any more, or where the delivery needs none. Raises `SettingsError` or `ConfigFileError`."""
    from core.formats.registry import MAPPED
    from core.formats.shared.delivery import PRESET_HEADER, webhook_of

    if delivery.format != MAPPED:
        return None
    if preset := delivery.headers.get(PRESET_HEADER):
        try:
            return _mapping_of_preset(preset)
        except ValueError as error:
            raise SettingsError(str(error), fix="replay it with the release that has it") from error
    endpoint = webhook_table(settings).hooks.get(webhook_of(delivery) or "")
    return endpoint.compiled_mapping if endpoint else None


def queue_formats(settings: Settings) -> Mapping[str, QueueFormat]:
    """The formats that queues were given, by the queues' names. Raises `SettingsError`."""
    return _queue_formats(settings.queue_formats)


@cache
def _queue_formats(named: tuple[tuple[str, str], ...]) -> Mapping[str, QueueFormat]:
    from core.formats.shared.queue_format import queue_format

    formats = {}
    for number, (queue, text) in enumerate(named, 1):
        try:
            formats[queue] = queue_format(text, _mapping_of_preset)
        except ValueError as error:
            raise SettingsError(
                f"TIDEGATE_QUEUE_FORMATS: entry {number}: {error}",
                fix=f"correct {meaning('TIDEGATE_QUEUE_FORMATS')}",
            ) from error
    return formats


def _mapping_of_preset(name: str) -> AlertMapping:
    from core.webhooks.presets import preset  # reads YAML, with pydantic

    return preset(name).mapping.compiled()


def format_of_queue(settings: Settings, queue: str, listener: str) -> QueueFormat:
    """The format of a queue's messages. Only a `listener` of users' own messages takes others.
    Raises `SettingsError`."""
    from core.formats.registry import USERS_OWN
    from core.formats.shared.queue_format import QueueFormat

    own = QueueFormat(listener)
    return queue_formats(settings).get(queue, own) if listener == USERS_OWN else own


def secrets(settings: Settings) -> Secrets:
    """The secrets that configuration refers to, each fetched on first use."""
    from core.config.secrets import Secrets

    return Secrets(SECRET_STORES, ttl=settings.secrets_ttl)


def router(settings: Settings) -> WorkflowRouter:
    """The routing table with its services. Raises `ConfigFileError`."""
    from core.config.routing_table import routing_table
    from core.domain.routing.table import WorkflowRouter

    return WorkflowRouter(routing_table(settings.routes))


def oncall(settings: Settings) -> OnCallFile:
    """People, teams, schedules and heartbeats: nobody when TIDEGATE_ONCALL is not set and the
    package carries no file. Raises `ConfigFileError`."""
    from core.config.files import PACKAGED_ONCALL, load_oncall
    from core.domain.oncall.file import NOBODY

    if settings.oncall is None and not PACKAGED_ONCALL.exists():
        return NOBODY
    return load_oncall(settings.oncall or PACKAGED_ONCALL)


def required_oncall(settings: Settings) -> OnCallFile:
    """The same for what is about nothing else: a file that was forgotten must not look like an
    empty one. Raises `SettingsError` where there is none, or `ConfigFileError`."""
    from core.config.files import PACKAGED_ONCALL

    if not PACKAGED_ONCALL.exists():
        settings.require("oncall")
    return oncall(settings)


def policies(settings: Settings, oncall: OnCallFile) -> Policies:
    """The policies: who is paged, and when; they name who is in `oncall`. Raises
    `ConfigFileError`."""
    from core.config.files import SHIPPED_POLICIES, load_policies

    return load_policies(settings.policies or SHIPPED_POLICIES, oncall)


def target_variables(settings: Settings) -> Mapping[str, str]:
    """Where targets have their addresses and secrets: the environment's variables,
    and for those that it lacks TIDEGATE_TARGET_VARIABLES."""
    own = {name: value for name, value in os.environ.items() if value.strip()}
    return dict(settings.target_variables) | own


def targets(policies: Policies, oncall: OnCallFile) -> Mapping[str, TargetConfig]:
    """Every target by its name: the policies' own, and people's contact methods."""
    return {**policies.targets, **oncall.targets}


def addresses(settings: Settings, targets: Mapping[str, TargetConfig]) -> Addresses:
    """The addresses of targets, out of the variables that they name."""
    from core.adapters.notifiers.addresses import read_addresses

    return read_addresses(targets, target_variables(settings))


def calendars(settings: Settings) -> CalendarReader:
    """What reads the calendars of schedules, and keeps them for as long as it lives."""
    from core.adapters.calendars.reader import CachedCalendars

    return CachedCalendars(
        _stores,
        copies=settings.reports,
        variables=lambda: target_variables(settings),
    )


def notifier() -> Notifier:
    from core.adapters.notifiers.router import ChannelNotifier

    return ChannelNotifier()


def link_keys(settings: Settings, shared: Secrets | None = None) -> LinkKeys:
    """The keys of the links in pages, out of the process's secrets if it has any other. Raises
    `SettingsError` when TIDEGATE_LINK_KEYS is not set."""
    from core.links import LinkKeys

    return LinkKeys(settings.require("link_keys"), shared or secrets(settings))


def page_links(settings: Settings) -> PageLinks | None:
    """The links of pages; None when TIDEGATE_APP_URL is not set. Raises `SettingsError` where they
    have an address and no keys."""
    if settings.app_url is None:
        return None
    from core.links import PageLinks

    return PageLinks(settings.app_url, link_keys(settings))


def check_link_keys(settings: Settings) -> None:
    """Raises `SettingsError` where pages are to have links, and their keys cannot sign any. Runs a
    loop of its own. A store that does not answer now may do so when there is a page."""
    if settings.app_url is not None:
        with suppress(SecretUnavailable):
            asyncio.run(link_keys(settings).check())


async def connect(settings: Settings, *, runtime: Runtime | None = None) -> Client:
    """A client for workers and tools. Raises `SettingsError` or `TemporalUnavailable`."""
    from core.adapters.temporal.connection import connect

    return await connect(runtime=runtime, retry_for=settings.start_timeout)


def temporal_workflows(settings: Settings) -> TemporalWorkflows:
    """What takes events to workflows; it connects at its first call."""
    from core.adapters.temporal.connection import frontend
    from core.adapters.temporal.workflows import TemporalWorkflows

    timeout = settings.start_timeout
    return TemporalWorkflows(lambda: frontend(retry_for=timeout), timeout=timeout)


def aws_deployment(stack: str) -> Deployment:
    """The installation of a CloudFormation stack."""
    from core.adapters.deployments.aws import AwsDeployment

    return AwsDeployment(stack, region=_aws_region())


def azure_deployment(env: Mapping[str, str]) -> Deployment:
    """The installation whose outputs are in an environment, as azd keeps them."""
    from core.adapters.deployments.azure import AzureDeployment

    return AzureDeployment(env)


async def worker_deployment(settings: Settings) -> WorkerDeployment:
    """The builds of the serverless workers. Raises `SettingsError` or `TemporalUnavailable`."""
    from core.adapters.temporal.worker_deployments import TemporalWorkerDeployment

    return TemporalWorkerDeployment(await connect(settings), SERVERLESS_DEPLOYMENT)


async def workers_stack(name: str) -> Stack:
    """The CloudFormation stack of the serverless workers. Raises `SettingsError` or
    `DeploymentUnavailable`."""
    with _installed():
        from core.adapters.deployments import aws_workers

    return await aws_workers.read_stack(name, region=_aws_region())


async def function_configuration(arn: str) -> Configuration | None:
    """How a version of a Lambda function is configured; None where that may not be read. Raises as
    `workers_stack` does."""
    with _installed():
        from core.adapters.deployments import aws_workers

    return await aws_workers.read_configuration(arn, region=_aws_region())


@contextmanager
def _installed() -> Iterator[None]:
    """Raises `SettingsError` for a library that an extra would have installed."""
    try:
        yield
    except ModuleNotFoundError as missing:
        from core.extras import install_command

        if (install := install_command(missing)) is None:
            raise
        raise SettingsError(f"{missing.name} is not installed", fix=install) from missing


def _s3() -> DocumentStore:
    with _installed():
        from core.adapters.documents.s3 import S3DocumentStore

    return S3DocumentStore()


def _azure() -> DocumentStore:
    with _installed():
        from core.adapters.documents.azure_blob import AzureDocumentStore

    return AzureDocumentStore(os.environ.get("AZURE_STORAGE_CONNECTION_STRING") or None)


def _files() -> DocumentStore:
    from core.adapters.documents.files import FileDocumentStore

    return FileDocumentStore()


STORES = {"s3": _s3, "azure": _azure, "file": _files}
"""How to make each scheme's store. A new one is a file in core/adapters/documents, and a line
here."""


def _env_secrets() -> SecretStore:
    from core.adapters.secrets.env import EnvSecretStore

    return EnvSecretStore()


def _file_secrets() -> SecretStore:
    from core.adapters.secrets.files import FileSecretStore

    return FileSecretStore()


def _aws_secrets() -> SecretStore:
    from core.adapters.secrets.aws import AwsSecretStore

    return AwsSecretStore(region=_aws_region())


def _aws_region() -> str | None:
    """The region by the variable that AWS's command reads; boto3 reads AWS_DEFAULT_REGION alone."""
    return os.environ.get("AWS_REGION") or None


def _azure_secrets() -> SecretStore:
    from core.adapters.secrets.key_vault import KeyVaultSecretStore

    return KeyVaultSecretStore()


SECRET_STORES = {
    "env": _env_secrets,
    "file": _file_secrets,
    "aws": _aws_secrets,
    "azure": _azure_secrets,
}
"""How to make the store of each kind of reference. A new one also needs its syntax in
core/domain/secret_reference.py."""
