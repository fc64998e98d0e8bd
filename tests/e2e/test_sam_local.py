"""`make sam-local`: every function with every event in Lambda's image. Skipped, with the reason,
without Docker or that image.

make test ARGS="tests/e2e/test_sam_local.py -rs"
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.aws.sam.events import expectations
from infra.local.aws.sam.invoke import IMAGE, SAM
from infra.local.aws.sam.workers import WORKERS
from infra.local.containers import docker
from infra.local.processes import ROOT, LocalStackError, wait_until

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "infra.local.aws.sam.run", "--skip-pull-image"]
PATIENCE = 900.0
EMPTY_PATH = {"PATH": "/nowhere"}


@pytest.fixture(scope="module")
def image() -> None:
    """Lambda's image, which is too large for a test to pull."""
    if not SAM.exists():
        pytest.skip(f"there is no {SAM.relative_to(ROOT)}: make test")
    try:
        docker("version")
    except LocalStackError as error:
        pytest.skip(f"no Docker here: {error.message}")
    try:
        docker("image", "inspect", IMAGE)
    except LocalStackError:
        pytest.skip(f"Docker has no {IMAGE}: docker pull {IMAGE}")


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


def leftovers() -> set[Path]:
    return set((ROOT / ".aws-sam").glob("local-*"))


@pytest.mark.usefixtures("image")
def test_every_function_handles_every_event_as_expected() -> None:
    before = leftovers()
    done = subprocess.run(
        COMMAND, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\s*\d+/\d+ (\S+) (\w+)$", done.stdout, re.MULTILINE)
    assert dict(rows) == dict.fromkeys([*expectations(), WORKERS], "ok")
    assert leftovers() == before


@pytest.mark.usefixtures("image")
def test_sigterm_leaves_no_container_and_no_process(tmp_path: Path) -> None:
    before, ids = leftovers(), set[str]()
    output = tmp_path / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            COMMAND, env=environment(), cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    try:

        def invoked() -> set[str]:
            for folder in leftovers() - before:
                for log in folder.glob("logs/*listener*.log"):
                    ids.update(re.findall(r"SAM_CONTAINER_ID: (\w+)", log.read_text()))
            return ids

        def check() -> None:
            assert process.poll() is None, output.read_text()

        wait_until(invoked, PATIENCE, "an invocation", check=check)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130, output.read_text()
    finally:
        process.kill()
        process.wait()
    assert "no process and no container is left" in output.read_text()
    running = docker("ps", "--all", "--quiet", "--no-trunc").split()
    assert not ids & set(running)
    assert leftovers() == before


def test_without_docker_it_says_what_to_do() -> None:
    done = subprocess.run(
        COMMAND,
        env=environment(**EMPTY_PATH),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "sam local needs Docker: there is no Docker on this machine" in done.stdout
    assert "make sam-local" in done.stdout
    assert "make test" in done.stdout


def test_without_a_docker_daemon_it_says_so() -> None:
    env = environment(DOCKER_HOST="unix:///nowhere/docker.sock")
    done = subprocess.run(COMMAND, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "sam local needs Docker" in done.stdout


def test_an_unknown_event_is_refused_with_the_list_of_events() -> None:
    done = subprocess.run(
        [*COMMAND, "s3-listener.fax"],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no event s3-listener.fax; there are app.cut-link, app.healthz, " in done.stderr
