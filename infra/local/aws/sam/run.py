"""`make sam-local`: every function with every event of `infra/aws/events`, as Lambda would run it.

    python -m infra.local.aws.sam.run [EVENT ...] [--skip-pull-image] [--invoke-image IMAGE]

`sam build` and `sam local invoke`, in Docker, against a Temporal server and an AWS (moto) of their
own. What each event has to do is looked for in Temporal and in the bucket, not only in what the
function says of it.

The exit code is 0 when every event did that, 1 when one did not, 2 when there is no Docker or SAM.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from rich.console import Console
from rich.markup import escape

from core.errors import TidegateError
from infra.local.aws.sam.events import (
    AWS,
    Row,
    event_file,
    expectations,
    function_of,
    problems,
    table,
)
from infra.local.aws.sam.invoke import IMAGE, SAM, Functions, Invocation, build, prepare
from infra.local.aws.servers import BUCKET, REGION, Aws, aws_environment, start_aws, wait_for_aws
from infra.local.cloud import QUARANTINE
from infra.local.containers import docker
from infra.local.docker_host import docker_host
from infra.local.processes import ROOT, LocalStackError, Processes, free_port, wait_until
from infra.local.stack import interruptible, outside_environment, uninterrupted
from infra.local.temporal import Temporal, TemporalServer, start_temporal, temporal_view

_PATIENCE: Final = 30.0
_FAILED, _MISSING, _INTERRUPTED = 1, 2, 130


def check_tools() -> None:
    """Raises `LocalStackError` where there is no Docker, or no SAM."""
    try:
        docker("version", "--format", "{{.Server.Version}}")
    except LocalStackError as error:
        fix = (
            "start Docker (or install it), then `make sam-local` again. Without it, `make test` "
            "runs the same handlers behind Lambda's Runtime API"
        )
        raise LocalStackError(f"sam local needs Docker: {error.message}", fix=fix) from error
    if not SAM.exists():
        raise LocalStackError(f"there is no {SAM}", fix="`make sam-local` installs it")


class House:
    """The servers and the built functions, for as long as the block lasts."""

    temporal: TemporalServer
    functions: Functions

    def __init__(self, console: Console, folder: Path, options: argparse.Namespace) -> None:
        self._console = console
        self._folder = folder
        self._options = options
        self._processes = Processes(folder / "logs")
        self._ports = {"aws": free_port(), "temporal": free_port()}
        self.aws = Aws(f"http://127.0.0.1:{self._ports['aws']}")

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            self._processes.stop()
            self.aws.close()

    def _start(self) -> None:
        outside = outside_environment()
        image = self._options.invoke_image or IMAGE
        with self._console.status("Temporal, AWS and Lambda's image ..."):
            host = docker_host(image, pull=not self._options.skip_pull_image)
            self._start_servers(outside)
            host.open(self._processes, outside, *self._ports.values())
        env = {**outside, **aws_environment(self.aws.endpoint), "SAM_CLI_TELEMETRY": "0"}
        begun = time.monotonic()
        with self._console.status("sam build ..."):
            built = build(self._processes, env, self._folder / "build")
        self._console.print(f"sam build took {time.monotonic() - begun:.0f} s")
        template, variables = prepare(built, self._variables(host.address))
        self.functions = Functions(
            processes=self._processes,
            env=env,
            template=template,
            variables=variables,
            images=_image_options(self._options),
        )

    def _start_servers(self, env: dict[str, str]) -> None:
        aws = start_aws(self._processes, env, port=self._ports["aws"])
        self.temporal = start_temporal(self._processes, env, port=self._ports["temporal"])
        wait_for_aws(aws, self.aws.endpoint)
        self.aws.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.temporal.wait()

    def _variables(self, address: str) -> dict[str, str]:
        """Those of `infra/aws/env.local.json`, with this run's servers."""
        shared: dict[str, str] = json.loads((AWS / "env.local.json").read_text())["Parameters"]
        return {
            **shared,
            "TEMPORAL_ADDRESS": f"{address}:{self._ports['temporal']}",
            "TIDEGATE_QUARANTINE": f"s3://{BUCKET}/{QUARANTINE}",
            "AWS_ENDPOINT_URL": f"http://{address}:{self._ports['aws']}",
        }


def run(console: Console, house: House, names: Sequence[str]) -> list[Row]:
    """One event after the other; a last row where a workflow runs that no receipt names."""
    expected = expectations()
    rows: list[Row] = []
    with temporal_view(house.temporal.address) as temporal:
        for name in names:
            with console.status(f"{name} ..."):
                rows.append(_row(house, temporal, name, expected[name]))
            console.print(f"[dim]{len(rows):2}/{len(names)}[/] {name} {rows[-1].mark}")
        known = {id for row in rows if row.invocation for id in _workflows(row.invocation)}
        with suppress(LocalStackError):  # what is new takes a moment to be listed
            wait_until(lambda: _listed(temporal) >= known, _PATIENCE, "the list of workflows")
        unknown = sorted(_listed(temporal) - known)
    if unknown:
        said = [f"{id} runs, and no receipt names it" for id in unknown]
        rows.append(Row(event="all of them", invocation=None, problems=said))
    return rows


def _row(house: House, temporal: Temporal, name: str, expected: dict[str, int]) -> Row:
    kept_before = set(house.aws.keys(QUARANTINE))
    try:
        found = house.functions.invoke(function_of(name), event_file(name))
    except LocalStackError as error:
        return Row(event=name, invocation=None, problems=[str(error)])
    kept = len(set(house.aws.keys(QUARANTINE)) - kept_before)
    unknown = [
        f"Temporal does not know {id}" for id in _workflows(found) if temporal.find(id) is None
    ]
    return Row(
        event=name, invocation=found, problems=[*problems(name, expected, found, kept), *unknown]
    )


def _workflows(found: Invocation) -> list[str]:
    return [receipt["workflow_id"] for receipt in found.receipts if receipt.get("workflow_id")]


def _listed(temporal: Temporal) -> set[str]:
    return {workflow.id for workflow in temporal.list()}


def _image_options(options: argparse.Namespace) -> list[str]:
    skip = ["--skip-pull-image"] if options.skip_pull_image else []
    return [*skip, *(["--invoke-image", options.invoke_image] if options.invoke_image else [])]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sam-local", description="Events in Lambda's image.")
    parser.add_argument("names", nargs="*", metavar="EVENT", help="default: every event")
    parser.add_argument("--skip-pull-image", action="store_true", help="use the image at hand")
    parser.add_argument("--invoke-image", metavar="IMAGE", help=f"default: {IMAGE}")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(expectations())):
        parser.error(f"no event {', '.join(unknown)}; there are {', '.join(expectations())}")
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    try:
        check_tools()
    except LocalStackError as error:
        console.print(escape(str(error)), style="red", soft_wrap=True)
        return _MISSING
    # Not among the temporary files: Docker may be allowed to see only the user's own.
    (ROOT / ".aws-sam").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="local-", dir=ROOT / ".aws-sam"))
    code = _FAILED
    try:
        code = _tell(console, folder, options)
    finally:
        if code == _FAILED:
            console.print(f"Logs and builds are in {folder}", soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return code


def _tell(console: Console, folder: Path, options: argparse.Namespace) -> int:
    with interruptible():
        try:
            with House(console, folder, options) as house:
                rows = run(console, house, options.names or list(expectations()))
        except KeyboardInterrupt:
            console.print("Stopped; no process and no container is left.")
            return _INTERRUPTED
        except (TidegateError, OSError) as error:
            console.print(escape(str(error)), style="red", soft_wrap=True)
            return _FAILED
    console.print(table(rows))
    for row in rows:
        for problem in row.problems:
            console.print(f"{row.event}: {escape(problem)}", style="red", soft_wrap=True)
    return _FAILED if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
