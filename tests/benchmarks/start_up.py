"""Start-up: what a cold start costs before and up to the first event.

Every sample is a fresh interpreter over a packaged tree, as in Lambda or a Functions app: the
pinned requirements, our packages, compiled bytecode that is not checked against its source. Wall
time runs from before the process exists to the end of its imports. Memory is the peak resident
size (VmHWM, because what `wait4` reports for a child includes its parent's memory before exec).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from core.config.routing_table import COMPILED
from infra.local.processes import ROOT, program
from tests.benchmarks.figures import Figure, compare, take_turns
from tests.benchmarks.harness import as_event, batch, lambda_environment, notification, servers

_CLIENT: Final = "import temporalio.client"
_LISTENER: Final = "import functions_aws.s3_listener"
_SDK_AND_CLIENT: Final = "import azure.functions, temporalio.client"
_APP: Final = "import function_app"
_BOTO3: Final = """
import boto3
client = boto3.client("stepfunctions")
def handler(event, context):
    client.start_execution(stateMachineArn="arn", name=event["id"], input="{}")
"""
_FIRST_BARE: Final = """
import asyncio, json, os, sys
from temporalio.client import Client
async def first():
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    wire = json.loads(sys.argv[1])
    await client.start_workflow(
        "RootOrchestrator", wire, id=wire["tidegatekey"], task_queue="tidegate-root"
    )
asyncio.run(first())
"""
_FIRST_EVENT: Final = """
import json, sys
from functions_aws.s3_listener import handler
class Context:
    function_name, memory_limit_in_mb, aws_request_id = "tidegate-s3", 256, "1"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:tidegate-s3"
    def get_remaining_time_in_millis(self):
        return 60_000
answer = handler(json.loads(sys.argv[1]), Context())
assert answer == {"batchItemFailures": []}, answer
"""
_THE_END: Final = """
import os, sys, time
end = time.monotonic()
if sys.platform == "linux":
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
else:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
with open(os.environ["BENCHMARK_RESULT"], "w") as result:
    result.write(f"{end} {peak}")
os._exit(0)
"""

Sample = tuple[float, float]
"""Milliseconds, and MiB."""


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    tree = package(folder / "package", AWS)
    app = package(folder / "app", AZURE)
    rounds = 15 if quick else 40
    found: list[Figure] = []
    with servers(folder) as (_, server):
        env = lambda_environment(folder, server.address) | {
            "PYTHONPATH": str(tree),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(tree),
            "BENCHMARK_RESULT": str(folder / "sample"),
        }
        samples = take_turns(
            {
                "client": lambda: fresh(_CLIENT, env),
                "ours": lambda: fresh(_LISTENER, env),
                "boto3": lambda: fresh(_BOTO3, env),
            },
            rounds,
        )
        for name, against, at_most in (
            ("client", "temporalio.client", 1.5),
            ("boto3", "boto3 handler", 1.2),
        ):
            found += figures("import", against, samples["ours"], samples[name], at_most)
        first: dict[str, Callable[[], Sample]] = {
            "bare": lambda: fresh(_FIRST_BARE, env, json.dumps(_wire())),
            "ours": lambda: fresh(_FIRST_EVENT, env, json.dumps(batch([notification()]))),
        }
        samples = take_turns(first, rounds)
        found += figures("to the first start", "bare client", samples["ours"], samples["bare"])
        env |= {"PYTHONPATH": str(app)}
        samples = take_turns(
            {
                "bare": lambda: fresh(_SDK_AND_CLIENT, env),
                "ours": lambda: fresh(_APP, env),
            },
            rounds,
        )
        what, against = "import, Azure", "azure.functions and client"
        found += figures(what, against, samples["ours"], samples["bare"], 1.5)
    return found


AWS: Final = ("requirements/aws.txt", "core", "functions_aws")
AZURE: Final = ("requirements.txt", "core", "functions_azure", "function_app.py", "host.json")


def package(tree: Path, contents: Sequence[str]) -> Path:
    """A tree as it would be uploaded: see functions_aws/Makefile and .funcignore. The first of
    `contents` is the file of pins."""
    requirements, *ours = contents
    target = ["--python", sys.executable, "--target", str(tree), "--require-hashes"]
    _run([program("uv"), "pip", "install", "--quiet", *target, "-r", str(ROOT / requirements)])
    for name in ours:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, tree / name)
        else:
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    table = str(tree / "core" / "config" / COMPILED.name)
    _run([sys.executable, "-m", "core.config.routing_table", "--output", table])
    compiled = ["--invalidation-mode", "unchecked-hash"]
    _run([interpreter(), "-m", "compileall", "-q", *compiled, str(tree)])
    return tree


def fresh(code: str, env: Mapping[str, str], *arguments: str) -> Sample:
    """Runs the code in a fresh interpreter that can import nothing but the tree."""
    result = Path(env["BENCHMARK_RESULT"])
    result.unlink(missing_ok=True)
    begun = time.monotonic()
    done = subprocess.run(
        [interpreter(), "-s", "-S", "-c", code + _THE_END, *arguments],
        env={**env, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0 or not result.exists():
        raise RuntimeError(f"a fresh interpreter failed: {done.stderr or done.stdout}")
    end, kibibytes = result.read_text().split()
    return (float(end) - begun) * 1000, int(kibibytes) / 1024


def figures(
    what: str,
    against: str,
    ours: list[Sample],
    baseline: list[Sample],
    at_most: float | None = None,
) -> list[Figure]:
    return [
        compare(
            f"{what}, {measure}",
            [sample[column] for sample in ours],
            [sample[column] for sample in baseline],
            against=against,
            unit=unit,
            at_most=at_most,
        )
        for column, measure, unit in ((0, "time", "ms"), (1, "peak", "MiB"))
    ]


def _wire() -> dict[str, object]:
    wire = as_event(notification()).to_wire()
    return {**wire, "tidegatekey": f"{wire['tidegatekey']}{uuid.uuid4()}"}


def interpreter() -> str:
    """The interpreter behind the virtual environment, so that its packages are not on the path."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr or done.stdout}")
