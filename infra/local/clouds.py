"""Every cloud that a local stack can be, started or found again by its name. Each is loaded when it
is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.contracts import WorkerSpec
from infra.local.cloud import Cloud, CloudName, CloudServers
from infra.local.processes import LocalStackError, Processes
from infra.local.progress import Step

if TYPE_CHECKING:
    from infra.local.aws.serverless import LambdaServer


def install_cloud(name: CloudName, step: Step) -> None:
    """Install what a cloud's servers need and Python packages cannot bring. Raises
    `LocalStackError`."""
    match name:
        case "aws":
            pass
        case "azure":
            from infra.local.azure.azurite import PACKAGES

            if not PACKAGES.installed:
                with step("Azurite installed"):
                    PACKAGES.install()


def start_cloud(
    name: CloudName, processes: Processes, env: Mapping[str, str], *, bridge: bool = False
) -> CloudServers:
    """Start a cloud's servers; they may not answer yet. With `bridge` each upload is announced
    twice, in two ways."""
    match name:
        case "aws":
            from infra.local.aws.cloud import AwsServers

            return AwsServers(processes, env, bridge=bridge)
        case "azure":
            from infra.local.azure.cloud import AzureServers

            return AzureServers(processes, env, bridge=bridge)


def start_function(name: CloudName, processes: Processes, env: Mapping[str, str]) -> LambdaServer:
    """Start what invokes the workers' function; it may not answer yet. Raises `LocalStackError`
    for a cloud whose functions Temporal does not invoke."""
    match name:
        case "aws":
            from infra.local.aws.serverless import start_lambda

            return start_lambda(processes, env)
        case "azure":
            raise LocalStackError(
                "Temporal invokes workers on AWS Lambda and has no such provider for Azure",
                fix="run them as processes (`--workers processes`), or the stack as AWS "
                "(`--cloud aws`)",
            )


def deploy_function(
    function: LambdaServer, workers: Sequence[WorkerSpec], env: Mapping[str, str], step: Step
) -> None:
    """Deploy these workers as the function that Temporal invokes, with the settings `env`. Raises
    `LocalStackError`."""
    from infra.local.aws.deployment import deploy_workers

    deploy_workers(function, workers, env, step)


def cloud_at(address: Mapping[str, Any]) -> Cloud:
    """The cloud of a running stack, by its `address`."""
    name: CloudName = address["name"]
    match name:
        case "aws":
            from infra.local.aws.cloud import AwsCloud

            return AwsCloud(address["endpoint"], address["gateway"])
        case "azure":
            from infra.local.azure.azurite import Azurite
            from infra.local.azure.cloud import AzureCloud

            azurite = Azurite(address["store"], key=address["key"])
            return AzureCloud(azurite, address["bus"], address["gateway"])
