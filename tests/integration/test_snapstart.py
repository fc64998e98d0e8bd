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
UNHOOKED = """
import sys
import functions_aws.s3_listener
print("snapshot_restore_py" in sys.modules)
"""


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "snapshot_restore_py.py").write_text(HOOKS)
    return subprocess.run(
        [sys.executable, "-c", script],
        env={
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


def test_without_snapstart_nothing_is_registered(tmp_path: Path) -> None:
    for kind in ("on-demand", "provisioned-concurrency"):
        ran = run(UNHOOKED, tmp_path, AWS_LAMBDA_INITIALIZATION_TYPE=kind)
        assert ran.stdout.strip() == "False", ran.stderr
    assert run(UNHOOKED, tmp_path).stdout.strip() == "False"
