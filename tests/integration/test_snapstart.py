"""SnapStart's hooks. A fork stands in for the snapshot: both give several processes the memory of
one, but not its threads or connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.processes import ROOT
from infra.local.temporal import TemporalServer

HOOKS = """
before, after = [], []
def register_before_snapshot(call, *args, **kwargs):
    before.append(call)
    return call
def register_after_restore(call, *args, **kwargs):
    after.append(call)
    return call
"""
RESTORED_TWICE = """
import json, os, random, sys, threading, uuid
import functions_aws.s3_listener
import snapshot_restore_py as hooks

[prepare], [resume] = hooks.before, hooks.after
prepare()
held = random.getstate()
found = []
for restored in (True, True, False, False):
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        random.setstate(held)  # Python sees a fork and draws anew; it does not see a restore
        if restored:
            resume()
        told = [os.getpid(), random.random(), uuid.uuid4().hex, restored]
        os.write(writing, json.dumps(told).encode())
        os._exit(0)
    os.waitpid(child, 0)
    found.append(json.loads(os.read(reading, 10_000)))
print(json.dumps([threading.active_count(), found]))
"""
WORKERS_RESTORED_TWICE = """
import json, os, random, sys, threading
import workers.serverless.handler as handler
import snapshot_restore_py as hooks

[prepare], [resume] = hooks.before, hooks.after
assert handler._plans.cache_info().currsize == 0
prepare()
assert handler._plans.cache_info().currsize == 1
assert handler._loop.cache_info().currsize == handler._runtime.cache_info().currsize == 0
held = random.getstate()
found = []
for restored in (True, True, False, False):
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        random.setstate(held)  # Python sees a fork and draws anew; it does not see a restore
        if restored:
            resume()
        os.write(writing, json.dumps([random.random(), restored]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    found.append(json.loads(os.read(reading, 10_000)))
sockets = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
           if os.path.islink(f"/proc/self/fd/{fd}")]
print(json.dumps([threading.active_count(), [s for s in sockets if "socket" in s], found,
                  "apprise.plugins.custom_json" in sys.modules]))
"""
UNHOOKED = """
import sys
import {module}
print("snapshot_restore_py" in sys.modules)
"""


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "snapshot_restore_py.py").write_text(HOOKS)
    return subprocess.run(
        [sys.executable, "-c", script],
        env={
            "AWS_LAMBDA_FUNCTION_NAME": "tidegate-workers",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "TIDEGATE_DOCUMENTS": "s3://documents/",
            "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_processes_of_one_snapshot_share_no_random_numbers(
    tmp_path: Path, temporal_server: TemporalServer
) -> None:
    ran = run(
        RESTORED_TWICE,
        tmp_path,
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        TEMPORAL_ADDRESS=temporal_server.address,
    )
    assert ran.returncode == 0, ran.stderr
    threads, found = json.loads(ran.stdout.splitlines()[-1])
    assert threads == 1
    numbers = [number for _, number, _, restored in found if restored]
    untouched = {number for _, number, _, restored in found if not restored}
    assert len(untouched) == 1, "without the hook they are alike, or this test shows nothing"
    assert len({*numbers, *untouched}) == 3
    assert len({id for _, _, id, _ in found}) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_of_one_snapshot_share_their_plans_and_no_random_numbers(tmp_path: Path) -> None:
    ran = run(
        WORKERS_RESTORED_TWICE,
        tmp_path,
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        TIDEGATE_PAGE_URLS="json://127.0.0.1:1/page",
        PYTHONWARNINGS="ignore",
    )
    assert ran.returncode == 0, ran.stderr
    threads, sockets, found, has_channel = json.loads(ran.stdout.splitlines()[-1])
    assert (threads, sockets) == (1, [])
    assert has_channel
    untouched = {number for number, restored in found if not restored}
    assert len(untouched) == 1, "without the hook they are alike, or this test shows nothing"
    assert len({number for number, _ in found}) == 3


def test_a_version_of_the_workers_with_an_address_that_can_never_work_is_not_published(
    tmp_path: Path,
) -> None:
    ran = run(
        "import workers.serverless.handler, snapshot_restore_py as hooks; hooks.before[0]()",
        tmp_path,
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        TIDEGATE_PAGE_URLS="slak://hunter2",
        PYTHONWARNINGS="ignore",
    )
    assert ran.returncode != 0
    assert "SettingsError: TIDEGATE_PAGE_URLS: on-call: apprise knows no such URL" in ran.stderr
    assert "hunter2" not in ran.stderr


@pytest.mark.parametrize("module", ["functions_aws.s3_listener", "workers.serverless.handler"])
def test_without_snapstart_nothing_is_registered(module: str, tmp_path: Path) -> None:
    script = UNHOOKED.format(module=module)
    kinds = (
        {"AWS_LAMBDA_INITIALIZATION_TYPE": kind}
        for kind in ("on-demand", "provisioned-concurrency")
    )
    for environment in ({}, *kinds):
        ran = run(script, tmp_path, **environment)
        assert ran.stdout.splitlines()[-1] == "False", ran.stderr
