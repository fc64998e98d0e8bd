"""The workers' image as Docker builds and runs it. Skipped, with the reason, without Docker.

make test ARGS="tests/e2e/test_worker_containers.py -rs"
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from temporalio.client import Client

from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKER,
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    ROOT_WORKER,
    ROOT_WORKFLOW,
    WORKERS,
)
from core.domain.alert import AlertStatus
from core.domain.event import ALERT, Event
from core.domain.incident import commands
from infra.local.cloud import QUARANTINE
from infra.local.containers import IMAGE, Container, check_docker, docker
from infra.local.processes import ROOT, LocalStackError, wait_until
from infra.local.stack import LocalStack
from infra.local.temporal import TemporalServer, temporal_view
from infra.local.workers import health_address
from tests.e2e.conftest import Harness
from tests.supply_chain import sbom

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("image")]

PATIENCE = 120.0
BASE = "python:3.13-slim"


@pytest.fixture(scope="module")
def image() -> None:
    """The image, built by `make image`. Unchanged layers come from the cache."""
    try:
        docker("version")
    except LocalStackError as error:
        pytest.skip(f"no Docker here: {error.message}")
    try:
        docker("image", "inspect", BASE)
    except LocalStackError:
        try:
            docker("pull", "--quiet", BASE)
        except LocalStackError as error:
            pytest.skip(f"Docker has no {BASE} and cannot get it: {error.message}")
    command = ["make", "image", "IMAGE_ARGS=--network=host", "BUILD_ID="]
    subprocess.run(command, cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", IMAGE))[0]["Config"]
    return found


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory, image: None) -> Iterator[Harness]:
    """A stack with its workers in containers."""
    state = tmp_path_factory.mktemp("stack")
    with (
        LocalStack(state, settings={"TIDEGATE_ACK_TIMEOUT": "3600"}, hosting="docker") as stack,
        temporal_view(stack.temporal.address) as temporal,
    ):
        yield Harness(stack, temporal)


def container(harness: Harness, name: str) -> Container:
    child = harness.stack.processes[name]
    assert isinstance(child, Container)
    return child


def inside(script: str) -> Any:
    """The JSON that a Python script prints in a container of the image."""
    command = ["run", "--rm", "--network", "none", "--entrypoint", "python"]
    return json.loads(docker(*command, IMAGE, "-c", script))


# --------------------------------------------------------------------------------------- contents

MODULES = ("pip", "setuptools", "wheel", "ensurepip", "uv", "pytest", "moto")
ROOMS = ("tests", "infra", "functions_aws", "functions_azure")
PROGRAMS = ("pip", "pip3", "uv", "gcc", "cc", "g++", "ld", "as", "git", "curl")
LOOK = """
import json, os, pathlib, platform, shutil, sys
from importlib.util import cache_from_source, find_spec
ours, packages = pathlib.Path("/app"), pathlib.Path("/opt/packages")
trees = [path for root in (ours, packages) for path in root.rglob("*")]
def flags(path):
    return int.from_bytes(pathlib.Path(path).read_bytes()[4:8], "little")
sources = [path for path in trees if path.suffix == ".py"]
print(json.dumps({
    "uid": os.getuid(),
    "gid": os.getgid(),
    "ours": sorted(str(path.relative_to(ours)) for path in ours.rglob("*") if path.is_file()),
    "top": sorted(path.name for path in ours.iterdir()),
    "modules": [name for name in MODULES if find_spec(name)],
    "programs": [name for name in PROGRAMS if shutil.which(name)],
    "writable": [str(path) for path in trees if os.access(path, os.W_OK)],
    "not compiled": [str(path) for path in sources if not os.path.exists(cache_from_source(path))],
    "checked": [str(path) for path in sources
                if os.path.exists(pyc := cache_from_source(path)) and flags(pyc) != 1],
    "library": os.path.exists(cache_from_source(json.__file__)),
    "packages": [path.name.removesuffix(".dist-info") for path in packages.glob("*.dist-info")],
    "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "machine": platform.machine(),
}))
"""


@pytest.fixture(scope="module")
def contents(image: None) -> dict[str, Any]:
    names = f"MODULES, PROGRAMS = {MODULES + ROOMS}, {PROGRAMS}"
    found: dict[str, Any] = inside(names + LOOK)
    return found


def test_it_holds_only_the_workers_and_what_they_import(contents: dict[str, Any]) -> None:
    assert contents["top"] == ["LICENSE", "core", "workers"]
    kinds = {Path(name).suffix for name in contents["ours"]}
    assert kinds <= {".py", ".pyc", ".yaml", ""}
    assert [name for name in contents["ours"] if not Path(name).suffix] == ["LICENSE"]
    assert contents["modules"] == []


def test_it_holds_the_packages_of_its_sbom_and_no_other(contents: dict[str, Any]) -> None:
    [described] = [each for each in sbom.ARTEFACTS if each.name == "worker"]
    assert contents["python"] == sbom.PYTHON
    parts = [name.rpartition("-") for name in contents["packages"]]
    found = {f"{canonicalize_name(name)}=={version}" for name, _, version in parts}
    listed = sbom.contents(described, sbom.PYTHON, contents["machine"])
    assert found == {str(pin) for pin in listed}


def test_it_holds_no_program_that_builds_or_installs(contents: dict[str, Any]) -> None:
    assert contents["programs"] == []


def test_all_of_its_code_is_compiled_and_never_checked_again(contents: dict[str, Any]) -> None:
    # Packages may contain templates that this version of Python cannot compile.
    assert [name for name in contents["not compiled"] if name.startswith("/app")] == []
    assert len(contents["not compiled"]) <= 5, contents["not compiled"]
    assert contents["checked"] == []
    assert contents["library"]


def test_its_user_cannot_write_to_its_code(contents: dict[str, Any]) -> None:
    assert (contents["uid"], contents["gid"]) == (10001, 10001)
    assert contents["writable"] == []


def test_its_metadata(config: dict[str, Any]) -> None:
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python", "-m"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "workers.runtime.probe"]
    assert config["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    assert config["Labels"]["org.opencontainers.image.revision"]
    assert "TIDEGATE_BUILD_ID=" in config["Env"]


def test_no_secret_is_in_its_environment_or_its_history(config: dict[str, Any]) -> None:
    def history(image: str) -> list[str]:
        layers = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
        return layers.splitlines()

    ours = history(IMAGE)[: -len(history(BASE))]
    assert any("USER" in line for line in ours)
    for text in [*config["Env"], *ours]:
        assert "://" not in text
        assert not any(word in text.upper() for word in ("SECRET", "TOKEN", "PASSWORD", "API_KEY"))


def test_a_build_id_given_to_the_build_is_in_the_image(tmp_path: Path) -> None:
    tag = f"tidegate-test-{uuid.uuid4().hex[:8]}"
    command = ["build", "--quiet", "--network", "host", "--file", "workers/Dockerfile"]
    try:
        docker(*command, "--tag", tag, "--build-arg", "BUILD_ID=1.2.3-abc", str(ROOT))
        found = json.loads(docker("image", "inspect", tag))[0]["Config"]["Env"]
        assert "TIDEGATE_BUILD_ID=1.2.3-abc" in found
    finally:
        docker("rmi", "--force", tag)


# ---------------------------------------------------------------------------------------- at work


@pytest.mark.parametrize("cloud", ["aws", "azure"])
def test_the_demo_succeeds_with_workers_in_containers(tmp_path: Path, cloud: str) -> None:
    command = [sys.executable, "-c", "from core.cli.program import program; program()", "demo"]
    done = subprocess.run(
        [*command, "--workers", "docker", "--cloud", cloud],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its workers in containers" in done.stdout
    assert "eight deliveries, three incidents" in done.stdout


@pytest.mark.parametrize("name", [spec.name for spec in WORKERS])
def test_a_worker_is_process_1_and_can_write_to_tmp_only(harness: Harness, name: str) -> None:
    script = (
        "import json, os, pathlib\n"
        "def may(folder):\n"
        "    try:\n"
        "        (pathlib.Path(folder) / 'x').touch()\n"
        "    except OSError as error:\n"
        "        return error.strerror\n"
        "first = pathlib.Path('/proc/1/cmdline').read_bytes().split(b'\\0')[:2]\n"
        "print(json.dumps([os.getuid(), may('/app'), may('/'), may('/tmp'),"
        " [word.decode() for word in first]]))"
    )
    found = docker("exec", container(harness, name).container, "python", "-c", script)
    read_only = "Read-only file system"
    assert json.loads(found) == [10001, read_only, read_only, None, ["python", "-m"]]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_probe_of_a_healthy_worker_succeeds(harness: Harness, path: str) -> None:
    worker = container(harness, ROOT_WORKER.name)
    address = f"TIDEGATE_HEALTH_ADDRESS={health_address(worker)}"
    probe = ("python", "-m", "workers.runtime.probe", path)
    docker("exec", "--env", address, worker.container, *probe)


def test_a_probe_that_reaches_nothing_names_the_address() -> None:
    with pytest.raises(LocalStackError, match=r"http://0\.0\.0\.0:8080/healthz: .*refused"):
        docker("run", "--rm", "--read-only", IMAGE, "workers.runtime.probe")


def test_a_worker_without_a_required_setting_exits_and_names_it() -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", IMAGE, "workers.incident.run_worker"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "TIDEGATE_QUARANTINE is not set" in done.stdout


def test_workers_that_are_stopped_while_they_work_lose_nothing(harness: Harness) -> None:
    stack, temporal = harness.stack, harness.temporal
    names = [f"stopped-{number}-{uuid.uuid4().hex[:6]}" for number in range(12)]
    for name in names:
        stack.cloud.upload(f"{name}.md", f"---\ntitle: {name}\nseverity: high\n---\n".encode())

    def incidents(name: str) -> list[str]:
        found = temporal.list(f"WorkflowType = '{INCIDENT_WORKFLOW}'")
        return [workflow.id for workflow in found if f"/{name}.md@" in workflow.id]

    wait_until(lambda: any(incidents(name) for name in names), PATIENCE, "the first incident")
    for spec in WORKERS:
        child = container(harness, spec.name)
        child.stop()
        assert '"stopped by SIGTERM"' in child.output()
        assert '"stopped"' in child.output()  # it was not killed
    for spec in WORKERS:
        stack.restart(spec.name)

    def titles() -> list[str]:
        pages = stack.pager.pages()
        return [name for name in names if any(name in page.title for page in pages)]

    wait_until(lambda: len(titles()) == len(names), PATIENCE, "a page for every upload")
    for name in names:
        [incident] = incidents(name)
        assert temporal.query(incident, QUERY_INCIDENT)["opened_at"]
        pages = [page for page in stack.pager.pages() if name in page.title]
        assert len(pages) == 1
    roots = temporal.list(f"WorkflowType = '{ROOT_WORKFLOW}'")
    assert {workflow.status for workflow in roots} == {"COMPLETED"}
    assert stack.cloud.keys(QUARANTINE) == []
    assert stack.cloud.dead_lettered() == 0


class Hook:
    """A page's target: notes each message, and answers only when allowed to."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.called, self.answering = threading.Event(), threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.titles.append(body["title"])
                hook.called.set()
                hook.answering.wait(PATIENCE)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.answering.set()
    hook.server.shutdown()
    hook.server.server_close()


def ready(worker: Container) -> tuple[int, str]:
    try:
        url = f"http://{health_address(worker)}/readyz"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)["status"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["status"]
    except OSError:
        return 0, ""


async def test_a_page_in_flight_at_sigterm_is_finished_and_never_sent_again(
    temporal_server: TemporalServer, temporal_client: Client, hook: Hook, tmp_path: Path
) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_HEALTH_ADDRESS": "127.0.0.1:0",
        "TIDEGATE_QUARANTINE": "file:///tmp/quarantine/",
        "TIDEGATE_PAGE_URLS": f"json://127.0.0.1:{hook.server.server_port}/?rto=60",
        "TIDEGATE_DRAIN_TIMEOUT": "100",
    }
    spec = INCIDENT_WORKER
    worker = Container(spec.name, spec.module, env, tmp_path / "log")
    key = str(uuid.uuid4())
    data = {"key": key, "title": "Disk full", "source": "test", "status": AlertStatus.FIRING.value}
    event = Event(id=key, source="/test", type=ALERT, key=f"ce:/test#{key}", data=data)
    try:
        worker.start()
        wait_until(lambda: ready(worker)[0] == 200, PATIENCE, "the worker", check=worker.check)
        handle = await temporal_client.start_workflow(
            INCIDENT_WORKFLOW, event.to_wire(), id=f"incident:{key}", task_queue=INCIDENT_TASK_QUEUE
        )
        wait_until(hook.called.is_set, PATIENCE, "the page", check=worker.check)
        worker.signal(signal.SIGTERM)
        wait_until(lambda: ready(worker) == (503, "draining"), PATIENCE, "the drain")
        hook.answering.set()
        wait_until(lambda: not worker.alive, PATIENCE, "the worker to end")
        with pytest.raises(LocalStackError, match="ended with exit code 0"):
            worker.check()
        worker.start()
        wait_until(lambda: ready(worker)[0] == 200, PATIENCE, "the next one", check=worker.check)
        argument = {"command_id": "1", "actor": "ana", "force": True}
        await handle.execute_update(commands.Resolve.name, argument)
        assert (await handle.query(QUERY_INCIDENT))["status"] in ("resolved", "closed")
    finally:
        worker.kill()
    assert [title for title in hook.titles if "Resolved" not in title] == ["[MEDIUM] Disk full"]


def test_containers_of_a_stack_that_was_killed_are_removed_by_the_next(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    name = f"tidegate-left-{uuid.uuid4().hex[:8]}"
    label = f"tidegate.stack={socket.gethostname()}:{ended.pid}"
    script = "import time; time.sleep(3600)"
    docker(
        *("run", "--detach", "--rm", "--name", name, "--label", label),
        *("--entrypoint", "python", IMAGE, "-c", script),
    )
    check_docker()
    assert name not in docker("ps", "--all", "--format", "{{.Names}}")
