"""Cold start: the first invocation of a fresh process, behind Lambda's real Runtime API.

Ours and the baseline are packaged the same way: pinned wheels, bytecode that is not checked against
its source, botocore's models of the services that are called. A sample is the time that Lambda's
emulator takes to answer the first event, for which it starts the process: interpreter, runtime,
imports, connection, start. The servers run on this machine, without TLS.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import boto3

from infra.local.aws.account import REGION
from infra.local.aws.servers import aws_environment, start_aws
from infra.local.environment import outside_environment
from infra.local.processes import ROOT, Processes, program
from tests.benchmarks.figures import Figure, compare, take_turns
from tests.benchmarks.harness import batch, lambda_environment, notification, servers
from tests.benchmarks.webhooks import environment as webhook_environment
from tests.benchmarks.webhooks import signed
from tests.support import lambda_rie
from tests.support.lambda_package import package

_BASELINE: Final = Path(__file__).with_name("naive") / "state_machine.py"
_PACKAGES: Final = (
    "boto3",
    "botocore",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "six",
    "urllib3",
)
"""boto3 and what it needs."""
_PASS: Final = '{"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": true}}}'


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    ours, bare = folder / "ours", folder / "bare"
    built = package(ours)
    if built.returncode != 0:
        raise RuntimeError(built.stdout + built.stderr)
    _package_baseline(bare)
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
            if answer != {"batchItemFailures": []} and answer.get("statusCode") != 202:
                raise RuntimeError(f"{handler}: {answer}\n{function.log.read_text()}")
    finally:
        shutil.rmtree(scratch)
    return taken * 1000


def _package_baseline(folder: Path) -> None:
    """As `functions_aws/Makefile` packages ours: boto3 alone, and the one service that it calls."""
    pins = (ROOT / "requirements" / "aws.txt").read_text()
    wanted = [block for block in _blocks(pins) if block.partition("==")[0] in _PACKAGES]
    requirements = folder.with_suffix(".txt")
    requirements.write_text("\n".join(wanted))
    target = ["--python", sys.executable, "--target", str(folder), "--link-mode", "copy"]
    only = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(requirements)]
    _run([program("uv"), "pip", "install", "--quiet", *target, *only])
    for model in (folder / "botocore" / "data").iterdir():
        if model.is_dir() and model.name != "stepfunctions":
            shutil.rmtree(model)
    shutil.copy(_BASELINE, folder)
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
