"""`make sam-local`: every function with every event of `infra/aws/events`, and the workers with the
empty one of theirs, as Lambda would run it.

    python -m infra.local.aws.sam.run [EVENT ...] [--skip-pull-image] [--invoke-image IMAGE]

`sam build` and `sam local invoke`, in Docker, against a Temporal server and an AWS (moto) of their
own. What each event must cause is checked in Temporal and in the bucket, not only in the function's
response and log.

The exit code is 0 when every event passed, 1 when one failed, 2 when there is no Docker or SAM.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self

from rich.console import Console
from rich.markup import escape

from core.errors import TidegateError
from infra.local.aws.account import REGION
from infra.local.aws.sam.events import (
    AWS,
    Row,
    event_file,
    expectations,
    function_of,
    problems,
    table,
)
from infra.local.aws.sam.invoke import (
    IMAGE,
    LISTENERS,
    SAM,
    WORKERS,
    Functions,
    Invocation,
    Template,
    build,
    prepare,
)
from infra.local.aws.sam.workers import WORKERS as WORKERS_ROW
from infra.local.aws.sam.workers import workers_row
from infra.local.aws.servers import BUCKET, Aws, aws_environment, start_aws
from infra.local.cloud import QUARANTINE
from infra.local.containers import docker
from infra.local.docker_host import DockerHost, docker_host
from infra.local.environment import outside_environment
from infra.local.processes import ROOT, LocalStackError, Processes, wait_until
from infra.local.signals import interruptible, uninterrupted
from infra.local.temporal import Temporal, TemporalServer, start_temporal, temporal_view

_PATIENCE: Final = 30.0
_FAILED, _MISSING, _INTERRUPTED = 1, 2, 130


def check_tools() -> None:
    """Raises `LocalStackError` without Docker or SAM."""
    try:
        docker("version", "--format", "{{.Server.Version}}")
    except LocalStackError as error:
        fix = (
            "start Docker (or install it), then run `make sam-local` again. Without it, "
            "`make test` runs the same handlers behind Lambda's Runtime API"
        )
        raise LocalStackError(f"sam local needs Docker: {error.message}", fix=fix) from error
    if not SAM.exists():
        raise LocalStackError(f"there is no {SAM}", fix="`make sam-local` installs it")


class Harness:
    """The servers and the built functions, as a context manager."""

    temporal: TemporalServer
    aws: Aws
    functions: dict[str, Functions]
    """Those of each template that was built, by the template's name."""

    def __init__(
        self,
        console: Console,
        folder: Path,
        options: argparse.Namespace,
        templates: Sequence[Template],
    ) -> None:
        self._templates = templates
        self._console = console
        self._folder = folder
        self._options = options
        self._processes = Processes(folder / "logs")
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._closing.callback(self._processes.stop)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            self._closing.close()

    def _start(self) -> None:
        outside = outside_environment()
        image = self._options.invoke_image or IMAGE
        with self._console.status("Temporal, AWS and Lambda's image ..."):
            host = docker_host(image, pull=not self._options.skip_pull_image)
            self._start_servers(outside)
        env = {**outside, **aws_environment(self.aws.endpoint), "SAM_CLI_TELEMETRY": "0"}
        variables = self._variables(host, outside)
        self.functions = {each.name: self._built(each, env, variables) for each in self._templates}

    def _built(self, source: Template, env: dict[str, str], variables: dict[str, str]) -> Functions:
        begun = time.monotonic()
        with self._console.status(f"sam build of the {source.name} ..."):
            built = build(self._processes, env, self._folder / "build", source)
        self._console.print(f"sam build of the {source.name} took {time.monotonic() - begun:.0f} s")
        template, values = prepare(built, variables)
        return Functions(
            processes=self._processes,
            env=env,
            source=source,
            template=template,
            variables=values,
            images=_image_options(self._options),
        )

    def _start_servers(self, env: dict[str, str]) -> None:
        server = start_aws(self._processes, env)
        self.temporal = start_temporal(self._processes, env)
        server.wait()
        self.aws = Aws(server.endpoint)
        self._closing.callback(self.aws.close)
        self.aws.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.temporal.wait()

    def _variables(self, host: DockerHost, env: dict[str, str]) -> dict[str, str]:
        """The variables of `infra/aws/env.local.json`, with this run's servers as containers reach
        them."""

        def opened(address: str) -> str:
            return host.open(self._processes, env, int(address.rpartition(":")[2]))

        shared: dict[str, str] = json.loads((AWS / "env.local.json").read_text())["Parameters"]
        return {
            **shared,
            "TEMPORAL_ADDRESS": opened(self.temporal.address),
            "TIDEGATE_QUARANTINE": f"s3://{BUCKET}/{QUARANTINE}",
            "AWS_ENDPOINT_URL": f"http://{opened(self.aws.endpoint)}",
        }


def run(console: Console, harness: Harness, names: Sequence[str]) -> list[Row]:
    """A row for each event, one if a workflow runs that no receipt names, and that of the workers,
    which do what the others started."""
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        console.print(f"[dim]{len(rows):2}/{len(names)}[/] {row.event} {row.mark}")

    with temporal_view(harness.temporal.address) as temporal:
        if listened := [name for name in names if name != WORKERS_ROW]:
            _listen(console, harness, temporal, listened, add)
        if WORKERS_ROW in names:
            with console.status(f"{WORKERS_ROW} ..."):
                functions = harness.functions[WORKERS.name]
                address = harness.temporal.address
                add(workers_row(functions, temporal, address, functions.template.parent))
    return rows


def _listen(
    console: Console,
    harness: Harness,
    temporal: Temporal,
    names: Sequence[str],
    add: Callable[[Row], None],
) -> None:
    """Add a row for each event, and one more if a workflow runs that no receipt names."""
    expected = expectations()
    known: set[str] = set()
    for name in names:
        with console.status(f"{name} ..."):
            row = _row(harness, temporal, name, expected[name])
        add(row)
        known.update(_workflows(row.invocation) if row.invocation else ())
    with suppress(LocalStackError):  # new workflows are listed with a delay
        wait_until(lambda: _listed(temporal) >= known, _PATIENCE, "the list of workflows")
    if unknown := sorted(_listed(temporal) - known):
        unexplained = [f"{id} runs, and no receipt names it" for id in unknown]
        add(Row(event="all of them", invocation=None, problems=unexplained))


def _row(harness: Harness, temporal: Temporal, name: str, expected: dict[str, int]) -> Row:
    kept_before = set(harness.aws.keys(QUARANTINE))
    try:
        invocation = harness.functions[LISTENERS.name].invoke(function_of(name), event_file(name))
    except LocalStackError as error:
        return Row(event=name, invocation=None, problems=[str(error)])
    kept = len(set(harness.aws.keys(QUARANTINE)) - kept_before)
    unknown = [
        f"Temporal does not know {id}" for id in _workflows(invocation) if temporal.find(id) is None
    ]
    return Row(
        event=name,
        invocation=invocation,
        problems=[*problems(name, expected, invocation, kept), *unknown],
    )


def _workflows(invocation: Invocation) -> list[str]:
    return [receipt["workflow_id"] for receipt in invocation.receipts if receipt.get("workflow_id")]


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
    known = [*expectations(), WORKERS_ROW]
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no event {', '.join(unknown)}; there are {', '.join(known)}")
    names = options.names or known
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    try:
        check_tools()
    except LocalStackError as error:
        console.print(escape(str(error)), style="red", soft_wrap=True)
        return _MISSING
    # Not in the folder for temporary files, which Docker may not be allowed to mount.
    (ROOT / ".aws-sam").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="local-", dir=ROOT / ".aws-sam"))
    code = _FAILED
    try:
        code = _tell(console, folder, options, names)
    finally:
        if code == _FAILED:
            console.print(f"Logs and builds are in {folder}", soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return code


def _tell(console: Console, folder: Path, options: argparse.Namespace, names: Sequence[str]) -> int:
    templates = [LISTENERS] if {*names} - {WORKERS_ROW} else []
    templates += [WORKERS] if WORKERS_ROW in names else []
    with interruptible():
        try:
            with Harness(console, folder, options, templates) as harness:
                rows = run(console, harness, names)
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
