"""The YAML files of an installation: the routing table, the policies, who is on call, and the
webhooks.

Each loader returns the validated model, or raises `ConfigFileError` with every problem as
`file:line:column: field: what`. It imports the model itself, so that a process pays only for the
files it reads.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.config import yaml_file
from core.contracts import ROOT_WORKFLOW, WORKERS

if TYPE_CHECKING:
    from pydantic import BaseModel

    from core.domain.incident.policies.file import Policies
    from core.domain.oncall.file import OnCallFile
    from core.domain.routing.file import RoutingFile
    from core.webhooks.endpoints import WebhookTable

SHIPPED_POLICIES: Final = Path(__file__).with_name("policies.yaml")
"""The policies when TIDEGATE_POLICIES is not set. No webhooks are shipped: nobody may post
until the operator says who."""

_BESIDE_CHARS: Final = 1024 * 1024
"""Most that is read of a file beside another."""

PACKAGED_ONCALL: Final = Path(__file__).with_name("oncall.yaml")
"""The on-call file that a package carries when TIDEGATE_ONCALL is not set. The packaging of the
serverless workers puts it there; it is not in the repository."""


def load_routes(path: Path) -> RoutingFile:
    """The routing table in a file. Raises `ConfigFileError`."""
    from core.domain.routing.file import BESIDE, SERVED, RoutingFile, Served

    served = {
        workflow: Served(
            task_queue=worker.task_queue, signals=signals, routes=workflow == ROOT_WORKFLOW
        )
        for worker in WORKERS
        for workflow, signals in worker.workflows.items()
    }
    return yaml_file.load(
        path, RoutingFile, context={SERVED: served, BESIDE: partial(_beside, path)}
    )


def _beside(path: Path, name: str) -> str:
    """The text of a file that is named from the folder of another. Raises `ValueError`."""
    beside = path.parent / name
    try:
        with beside.open(encoding="utf-8") as file:
            return file.read(_BESIDE_CHARS)
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ValueError(f"{beside} cannot be read: {what}") from None


def load_policies(path: Path, oncall: OnCallFile) -> Policies:
    """The incident policies in a file, whose levels page the people, teams and schedules of
    `oncall`. Raises `ConfigFileError`."""
    from core.domain.incident.policies.file import Policies
    from core.domain.oncall.file import ONCALL

    return yaml_file.load(path, Policies, context={ONCALL: oncall})


def load_oncall(path: Path) -> OnCallFile:
    """The people, teams, schedules and heartbeats in a file. Raises `ConfigFileError`."""
    from core.domain.oncall.file import OnCallFile

    return yaml_file.load(path, OnCallFile)


def load_webhooks(path: Path) -> WebhookTable:
    """The webhooks in a file, by name. Raises `ConfigFileError`."""
    from core.webhooks.endpoints import WebhookTable

    return yaml_file.load(path, WebhookTable)


def routes_schema() -> dict[str, Any]:
    """The JSON Schema of the routing table's file, for editors."""
    from core.domain.routing.file import RoutingFile

    return _schema(RoutingFile, "Tidegate routing table")


def policies_schema() -> dict[str, Any]:
    """The JSON Schema of the policies' file, for editors."""
    from core.domain.incident.policies.file import Policies

    return _schema(Policies, "Tidegate incident policies")


def oncall_schema() -> dict[str, Any]:
    """The JSON Schema of the on-call file, for editors."""
    from core.domain.oncall.file import OnCallFile

    return _schema(OnCallFile, "Tidegate on-call file")


def webhooks_schema() -> dict[str, Any]:
    """The JSON Schema of the webhooks' file, for editors."""
    from core.webhooks.endpoints import WebhookTable

    return _schema(WebhookTable, "Tidegate webhooks")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **{name: value for name, value in model.model_json_schema().items() if name != "title"},
    }
