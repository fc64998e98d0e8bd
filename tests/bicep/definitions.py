"""Azure's type definitions, from one process of Microsoft's `azmcp`, which works offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_NO_BODY: Final = re.compile(r"with apiVersion (\S+) not supported")


@dataclass(frozen=True, slots=True)
class Definition:
    """A resource type in its newest stable version. `body` is None where only the version is known;
    `types` holds the types that its properties name."""

    version: str
    body: dict[str, Any] | None = None
    types: dict[str, dict[str, Any]] = field(default_factory=dict)


class NoDefinitions(RuntimeError):
    """The program is not installed, or does not answer."""


class Definitions:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._known: dict[str, Definition] = {}
        self._id = 0
        hello = {"protocolVersion": "2024-11-05", "capabilities": {}}
        self._ask("initialize", {**hello, "clientInfo": {"name": "tidegate", "version": "0"}})

    def of(self, type: str) -> Definition:
        """Raises `LookupError` when Azure has no such type."""
        if type not in self._known:
            arguments = {"name": "bicepschema_get", "arguments": {"resource-type": type}}
            answer = json.loads(self._ask("tools/call", arguments)["content"][0]["text"])
            self._known[type] = _definition(type, answer)
        return self._known[type]

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._id += 1
        request = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self._id:
                result: dict[str, Any] = answer["result"]
                return result
        raise NoDefinitions("azmcp ended without an answer")


def _definition(type: str, answer: dict[str, Any]) -> Definition:
    if answer["status"] != 200:
        if only_version := _NO_BODY.search(answer["message"]):
            return Definition(only_version[1])
        raise LookupError(answer["message"])
    entries = answer["results"]["BicepSchemaResult"]
    [resource] = [
        e for e in entries if e["$type"] == "Resource" and e["name"].startswith(f"{type}@")
    ]
    types = {e["name"]: e for e in entries if e["$type"] in {"Object", "DiscriminatedObject"}}
    return Definition(resource["name"].partition("@")[2], resource["bodyType"], types)


@contextmanager
def definitions() -> Iterator[Definitions]:
    """Raises `NoDefinitions`."""
    program = Path(sys.executable).with_name("azmcp")
    if not program.is_file():
        raise NoDefinitions("azmcp is not installed; `make check` installs it")
    with subprocess.Popen(
        [program, "server", "start", "--namespace", "bicepschema", "--mode", "all"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "AZURE_MCP_COLLECT_TELEMETRY": "false"},
    ) as process:
        try:
            yield Definitions(process)
        finally:
            process.terminate()
