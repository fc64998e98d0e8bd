"""Lambda's Runtime API under SnapStart, which AWS's emulator of it does not offer: a server that
stands in for it, and AWS's own runtime as its client.

Source: AWS Lambda, "Using the Lambda runtime API"; the order of calls is that of `awslambdaric`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support import lambda_rie

RUNTIME = "/2018-06-01/runtime"
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a process held when it made a call: sockets, the ports it was connected to, threads."""

    sockets: int
    connected: frozenset[int]
    threads: int


@dataclass(slots=True)
class Process:
    """A function's process: its `calls` and what it `posted`, by path."""

    log: Path
    calls: dict[str, Moment] = field(default_factory=dict)
    posted: dict[str, Any] = field(default_factory=dict)
    answered: threading.Event = field(default_factory=threading.Event)

    def answer(self) -> Any:
        """The result of its one invocation, or its error."""
        assert self.answered.wait(PATIENCE), self.log.read_text()
        [posted] = self.posted.values()
        return posted


@contextmanager
def snap_started(
    artefact: Path, handler: str, folder: Path, environment: Mapping[str, str], event: Any
) -> Iterator[Process]:
    """A function that is snapshotted after its start, restored immediately, and invoked once."""
    process = Process(folder / "function.log")
    started = threading.Event()
    child: subprocess.Popen[bytes]

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            started.wait(PATIENCE)
            path = self.path.removeprefix(RUNTIME)
            again = path in process.calls
            process.calls.setdefault(path, moment(child.pid))
            if again:
                return  # there is no second event; the block ends, and the process with it
            body = b"{}" if path == "/restore/next" else json.dumps(event).encode()
            self.send_response(200)
            for name, value in _headers().items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            process.posted[self.path.removeprefix(RUNTIME)] = json.loads(body)
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            process.answered.set()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep requests out of the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server, process.log.open("wb") as output:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        child = subprocess.Popen(
            [sys.executable, "-S", "-m", "awslambdaric", handler],
            cwd=artefact,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{artefact}{os.pathsep}{lambda_rie.runtime(folder)}",
                "LAMBDA_TASK_ROOT": str(artefact),
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
                "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
                "AWS_LAMBDA_FUNCTION_NAME": handler.split(".")[1],
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                "AWS_REGION": "eu-west-1",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        started.set()
        try:
            yield process
        finally:
            child.kill()
            child.wait()
            server.shutdown()


def moment(pid: int) -> Moment:
    """What a process holds now. Linux only."""
    inodes = set()
    for number in Path(f"/proc/{pid}/fd").iterdir():
        target = str(number.readlink())
        if target.startswith("socket:["):
            inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    return Moment(
        sockets=len(inodes),
        connected=frozenset(
            int(row[2].split(":")[1], 16)
            for table in ("tcp", "tcp6")
            for row in map(str.split, Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:])
            if row[9] in inodes
        ),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
    )


def _headers() -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 30) * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": (
            "arn:aws:lambda:eu-west-1:111122223333:function:tidegate"
        ),
    }
