"""The incident worker as a process of its own, as in a deployment: it can be stopped or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.domain.event import DOCUMENT_CREATED, DocumentRef, Event
from infra.local.processes import ROOT, wait_until

PATIENCE = 60.0


@dataclass
class WorkerProcess:
    """`python -m workers.incident.run_worker` with settings of its own."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout:
            for line in self.process.stdout:
                self.lines.append(json.loads(line))  # a line that is not JSON fails the test

    def ask(self, path: str) -> tuple[int, str]:
        """Status and text of a probe; (0, "") while nothing listens."""
        port = next((line["health_port"] for line in self.lines if "health_port" in line), None)
        if port is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, json.load(answer)["status"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["status"]
        except OSError:
            return 0, ""

    def wait_for(self, path: str, status: int, text: str | None = None) -> None:
        def answers() -> bool:
            found = self.ask(path)
            return found[0] == status and text in (None, found[1])

        wait_until(answers, PATIENCE, f"{path} to answer {status} {text}", check=self.must_run)

    def must_run(self) -> None:
        assert self.process.poll() is None, f"the worker has ended: {self.lines}"

    def says(self, text: str) -> Callable[[], list[dict[str, Any]]]:
        return lambda: [line for line in self.lines if text in line["message"]]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait for the exit; returns its code, with all its log lines read."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


Start = Callable[..., WorkerProcess]
"""Starts a worker with more settings; None removes one."""


@contextmanager
def starting(folder: Path) -> Iterator[Start]:
    """Starts workers whose stores are in `folder`; those still running at the end are killed."""
    started: list[WorkerProcess] = []

    def start_worker(**settings: str | None) -> WorkerProcess:
        wanted: dict[str, str | None] = {
            "TIDEGATE_HEALTH_ADDRESS": "127.0.0.1:0",
            "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
            "TIDEGATE_DOCUMENTS": f"file://{folder}/documents/",
            "TIDEGATE_REPORTS": f"file://{folder}/reports/",
            **settings,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.incident.run_worker"],
            cwd=ROOT,
            env=os.environ | {name: value for name, value in wanted.items() if value is not None},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(WorkerProcess(process))
        return started[-1]

    try:
        yield start_worker
    finally:
        for worker in started:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.end()


def upload(folder: Path, content: str = "# Disk full\n") -> dict[str, Any]:
    """Puts a document where these workers may read it; returns its event."""
    path = folder / "documents" / "a.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    data = {"document": DocumentRef(uri=f"file://{path}").to_wire()}
    return Event(id="1", source="s", type=DOCUMENT_CREATED, key="file:a", data=data).to_wire()
