"""Cold start: the first invocation of a fresh process, behind Lambda's real Runtime API.

Ours and the baseline are packaged the same way: pinned wheels, bytecode that is not checked against
its source, botocore's models of the services that are called. A sample is the time that Lambda's
emulator takes to answer the first event, for which it starts the process: interpreter, runtime,
imports, connection, start. The servers run on this machine, without TLS.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import boto3
from temporalio.client import Client

from core.contracts import INCIDENT_TASK_QUEUE, INCIDENT_WORKFLOW
from core.domain.incident.ids import incident_id
from core.links import PATH
from infra.local.aws.account import REGION
from infra.local.aws.servers import aws_environment, start_aws
from infra.local.environment import LINK_KEYS, outside_environment
from infra.local.processes import ROOT, Processes, program
from tests.benchmarks.figures import Figure, compare, take_turns
from tests.benchmarks.harness import batch, lambda_environment, notification, servers
from tests.benchmarks.webhooks import environment as webhook_environment
from tests.benchmarks.webhooks import signed
from tests.support import lambda_rie
from tests.support.lambda_package import package
from tests.support.lambda_requests import http_request
from tests.support.links import link, signing

_NAIVE: Final = Path(__file__).with_name("naive")
_BOTO3: Final = (
    "boto3",
    "botocore",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "six",
    "urllib3",
)
"""boto3 and what it needs."""
_STARLETTE: Final = (
    "anyio",
    "idna",
    "mangum",
    "nexus-rpc",
    "protobuf",
    "starlette",
    "temporalio",
    "typing-extensions",
)
"""Starlette, Mangum and Temporal's SDK, and what they need."""
_PASS: Final = '{"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": true}}}'


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    ours, bare = folder / "ours", folder / "bare"
    built = package(ours)
    if built.returncode != 0:
        raise RuntimeError(built.stdout + built.stderr)
    _package_baseline(bare, "requirements/aws.txt", _BOTO3, "state_machine.py")
    with servers(folder) as (processes, server):
        common = lambda_environment(folder, server.address) | _aws(processes)
        webhooks = common | webhook_environment(folder, server.address)
        cases: dict[str, Callable[[], float]] = {
            "bare": partial(_first, folder, bare, "state_machine.handler", common, _message),
            "s3": partial(_first, folder, ours, _ours("s3"), common, _message),
            "webhook": partial(_first, folder, ours, _ours("webhook"), webhooks, signed),
        }
        samples = take_turns(cases, 10 if quick else 40)
    figure = partial(compare, unit="ms", against="boto3 Step Functions handler")
    return [
        figure("S3 listener, first event", samples["s3"], samples["bare"], at_most=1.2),
        figure("webhook listener, first request", samples["webhook"], samples["bare"]),
    ]


def measure_app(folder: Path, *, quick: bool) -> list[Figure]:
    """The application's first link, of an incident that no worker has taken yet."""
    ours, bare = folder / "ours", folder / "bare"
    built = package(ours, "build-App")
    if built.returncode != 0:
        raise RuntimeError(built.stdout + built.stderr)
    _package_baseline(bare, "requirements/aws-app.txt", _STARLETTE, "starlette_app.py")
    with servers(folder) as (_, server):
        env = lambda_environment(folder, server.address) | LINK_KEYS
        key = asyncio.run(_incident(server.address))
        token = asyncio.run(signing().sign(link(incident_id(key, datetime.now(UTC)))))

        apps = {
            "bare": (bare, "starlette_app.handler"),
            "ours": (ours, "functions_aws.app.handler"),
        }

        def first(app: str, path: str) -> float:
            return _first(folder, *apps[app], env, partial(http_request, "GET", path))

        cases: dict[str, Callable[[], float]] = {
            "bare": partial(first, "bare", f"{PATH}{key}"),
            "link": partial(first, "ours", f"{PATH}{token}"),
            "healthz": partial(first, "ours", "/healthz"),
        }
        samples = take_turns(cases, 10 if quick else 40)
    figure = partial(compare, unit="ms", against="Starlette and Temporal's client")
    return [
        figure("application, first link", samples["link"], samples["bare"], at_most=1.6),
        figure("application, first /healthz", samples["healthz"], samples["bare"]),
    ]


async def _incident(address: str) -> str:
    """The workflow ID of an incident that waits for a worker."""
    client = await Client.connect(address)
    key = f"incident:bench:{uuid.uuid4().hex[:8]}"
    await client.start_workflow(INCIDENT_WORKFLOW, id=key, task_queue=INCIDENT_TASK_QUEUE)
    return key


def _ours(listener: str) -> str:
    return f"functions_aws.{listener}_listener.handler"


def _message() -> dict[str, Any]:
    return batch([notification()])


def _first(
    folder: Path,
    artefact: Path,
    handler: str,
    environment: Mapping[str, str],
    event: Callable[[], dict[str, Any]],
) -> float:
    """Milliseconds to the answer of a new process. Raises `RuntimeError` for a failure."""
    scratch = Path(tempfile.mkdtemp(dir=folder))
    try:
        with lambda_rie.function(
            artefact, handler, scratch, {**environment, "LAMBDA_TASK_ROOT": str(artefact)}
        ) as function:
            payload = event()
            begun = time.perf_counter()
            answer = function.invoke(payload)
            taken = time.perf_counter() - begun
            if answer != {"batchItemFailures": []} and answer.get("statusCode") not in (200, 202):
                raise RuntimeError(f"{handler}: {answer}\n{function.log.read_text()}")
    finally:
        shutil.rmtree(scratch)
    return taken * 1000


def _package_baseline(folder: Path, pins: str, packages: Sequence[str], handler: str) -> None:
    """As `functions_aws/Makefile` packages ours: these packages, and of boto3's services the one
    that is called."""
    blocks = _blocks((ROOT / pins).read_text())
    wanted = [block for block in blocks if block.partition("==")[0] in packages]
    if len(wanted) != len(packages):
        raise RuntimeError(f"{pins} has not all of {', '.join(packages)}")
    requirements = folder.with_suffix(".txt")
    requirements.write_text("\n".join(wanted))
    target = ["--python", sys.executable, "--target", str(folder), "--link-mode", "copy"]
    only = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(requirements)]
    _run([program("uv"), "pip", "install", "--quiet", *target, *only])
    for model in (folder / "botocore" / "data").glob("*/"):
        if model.name != "stepfunctions":
            shutil.rmtree(model)
    shutil.copy(_NAIVE / handler, folder)
    compiled = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", str(folder)]
    _run([sys.executable, "-m", "compileall", *compiled])


def _blocks(pins: str) -> list[str]:
    """The lines of each package: its pin and the hashes under it."""
    lines = [line for line in pins.splitlines() if not line.strip().startswith("#")]
    blocks: list[str] = []
    for line in lines:
        if line.startswith(" ") and blocks:
            blocks[-1] += f"\n{line}"
        elif line:
            blocks.append(line)
    return blocks


def _aws(processes: Processes) -> dict[str, str]:
    """Starts moto and makes a state machine; returns the environment that reaches them."""
    server = start_aws(processes, outside_environment())
    server.wait()
    environment = aws_environment(server.endpoint)
    client = boto3.client(
        "stepfunctions",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    machine = client.create_state_machine(
        name=f"bench-{uuid.uuid4().hex[:8]}",
        definition=_PASS,
        roleArn="arn:aws:iam::123456789012:role/bench",
    )
    client.close()
    return {**environment, "STATE_MACHINE": machine["stateMachineArn"]}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr or done.stdout}")
