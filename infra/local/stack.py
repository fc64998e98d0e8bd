"""The whole house on one machine: which processes there are, what they are told, in which order.

    pager, the cloud's servers, Temporal  ->  bucket and queues  ->  two workers, three listeners

Everything that runs is a child of this process (see `processes`), listens on 127.0.0.1 only, and is
told by its environment where the others are. Nothing of the caller's own AWS, Temporal or Tidegate
settings reaches a child, so that no real account and no real server is ever touched.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from core.config.files import load_webhooks
from core.domain.event import ALERT
from infra.local.answers import answers
from infra.local.cloud import INCIDENTS, QUARANTINE, REPORTS
from infra.local.clouds import new_cloud
from infra.local.containers import Container, check_docker
from infra.local.pager import ESCALATION, ON_CALL, Pager, start_pager, wait_for_pager
from infra.local.processes import (
    Child,
    LocalStackError,
    Processes,
    free_port,
    is_free,
    python,
    wait_until,
)
from infra.local.temporal import NAMESPACE, TemporalServer, start_temporal

WEBHOOKS = Path(__file__).with_name("webhooks.yaml")
"""The endpoints of the local stack, where TIDEGATE_WEBHOOKS names no others."""

HOOK_SECRETS = {
    "LOCAL_HOOK_TOKEN": "local-token",
    "LOCAL_HOOK_SECRET": "whsec_bG9jYWwtc2VjcmV0LW9ubHktZm9yLXRoaXMtbWFjaGluZQ==",
    "LOCAL_HOOK_LOGIN": "local:local-token",
}
"""Secrets of these endpoints. They open nothing but this machine, and only to itself."""

STATE = Path(".tidegate")
"""The state folder of `tidegate dev`, in the folder where the command is given."""

ROOT_WORKER, INCIDENT_WORKER = "root-worker", "incident-worker"
TEMPORAL = "temporal"

_FOREIGN = ("AWS_", "AZURE_", "IDENTITY_", "TEMPORAL_", "TIDEGATE_", "POWERTOOLS_", "OTEL_")
_KEPT = ("TIDEGATE_ROUTES", "TIDEGATE_WEBHOOKS", "TIDEGATE_LOG_LEVEL")
_READY_TIMEOUT = 60.0
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
_DRAIN_TIMEOUT = "3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One port per server, all on 127.0.0.1; `temporal_ui` is None for none."""

    temporal: int
    temporal_ui: int | None
    store: int
    bus: int
    gateway: int
    pager: int
    root_worker: int
    incident_worker: int

    @classmethod
    def free(cls) -> Self:
        """Ports that nobody uses, and no UI: for tests and the demo."""
        return cls(
            temporal=free_port(),
            temporal_ui=None,
            store=free_port(),
            bus=free_port(),
            gateway=free_port(),
            pager=free_port(),
            root_worker=free_port(),
            incident_worker=free_port(),
        )


WELL_KNOWN = Ports(
    temporal=7233,
    temporal_ui=8233,
    store=5555,
    bus=5300,
    gateway=8080,
    pager=8400,
    root_worker=8081,
    incident_worker=8082,
)


def well_known_ports() -> tuple[Ports, list[str]]:
    """The ports people expect, or a free one where that is taken and a remark that says so."""
    ports: dict[str, int] = {}
    remarks = []
    for name, port in asdict(WELL_KNOWN).items():
        ports[name] = port if is_free(port) else free_port()
        if ports[name] != port:
            remarks.append(f"port {port} is taken: {name.replace('_', ' ')} is on {ports[name]}")
    return Ports(**ports), remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a running stack can be found: what `tidegate send` in another shell must know."""

    pid: int
    temporal: str
    temporal_ui: str | None
    cloud: Mapping[str, Any]
    gateway: str
    webhooks: str
    pager: str

    @classmethod
    def read(cls, state: Path) -> Self | None:
        """Those of the stack that runs with this state folder, or None where none runs."""
        try:
            found = json.loads((state / "stack.json").read_text())
            endpoints = cls(**{field.name: found[field.name] for field in fields(cls)})
            os.kill(endpoints.pid, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return endpoints

    def write(self, state: Path) -> None:
        (state / "stack.json").write_text(json.dumps(asdict(self), indent=2) + "\n")


class LocalStack:
    """The stack as a context manager: up inside the block, and nothing of it left after.

    `state` is the folder for logs and Temporal's database. With `persistent` the database outlives
    a crash of the server; with `keep` it outlives the stack, too. With `bridge` each upload is
    announced twice, in two ways. With `containers` the workers run in containers of their image.
    """

    def __init__(
        self,
        state: Path,
        *,
        cloud: str = "aws",
        ports: Ports | None = None,
        ack_timeout: float = 300.0,
        persistent: bool = False,
        keep: bool = False,
        bridge: bool = False,
        containers: bool = False,
    ) -> None:
        self.state = state.resolve()
        self.ports = ports or Ports.free()
        self.processes = Processes(self.state / "logs")
        self._ack_timeout = ack_timeout
        self._database = self.state / "temporal.db" if persistent or keep else None
        self._keep = keep
        self._containers = containers
        self.webhooks = Path(outside_environment().get("TIDEGATE_WEBHOOKS", WEBHOOKS))
        self.cloud = new_cloud(
            cloud,
            store=self.ports.store,
            bus=self.ports.bus,
            gateway=self.ports.gateway,
            bridge=bridge,
        )
        self.temporal: TemporalServer
        self.pager: Pager

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def env(self) -> dict[str, str]:
        """The settings of every process of the stack, and of a shell that speaks to it."""
        return {
            **self.cloud.env,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.ports.temporal}",
            "TEMPORAL_NAMESPACE": NAMESPACE,
            # An empty profile, so that nobody's own is read.
            "TEMPORAL_CONFIG_FILE": str(self.state / "temporal.toml"),
            "TIDEGATE_DOCUMENTS": f"{self.cloud.store}/{INCIDENTS}",
            "TIDEGATE_REPORTS": f"{self.cloud.store}/{REPORTS}",
            "TIDEGATE_QUARANTINE": f"{self.cloud.store}/{QUARANTINE}",
            "TIDEGATE_PAGE_URLS": self.pager.target(ON_CALL),
            "TIDEGATE_ESCALATION_URLS": self.pager.target(ESCALATION),
            "TIDEGATE_ACK_TIMEOUT": f"{self._ack_timeout:g}",
            "TIDEGATE_DRAIN_TIMEOUT": _DRAIN_TIMEOUT,
            "TIDEGATE_WEBHOOKS": str(self.webhooks),
            "TIDEGATE_TRUSTED_TYPES": ALERT,
            **HOOK_SECRETS,
        }

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            pid=os.getpid(),
            temporal=self.temporal.address,
            temporal_ui=self.temporal.ui,
            cloud=self.cloud.address,
            gateway=self.cloud.gateway,
            webhooks=str(self.webhooks),
            pager=self.pager.url,
        )

    def wait_ready(self, name: str) -> None:
        """Return when a child does its work. Raises `LocalStackError` when it dies or does not."""
        child = self.processes[name]
        wait_until(
            lambda: self._is_ready(name, child),
            _READY_TIMEOUT,
            f"{name} to become ready (its log is {child.log})",
            check=child.check,
        )

    def restart(self, name: str) -> None:
        """Start a child again, whether it runs or has died, and wait until it does its work."""
        self.processes[name].restart()
        self.wait_ready(name)

    def _start(self) -> None:
        if self._containers:
            check_docker()
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "temporal.toml").touch()
        if self._database is not None and not self._keep:
            for left in self.state.glob("temporal.db*"):
                left.unlink()
        outside = outside_environment()
        load_webhooks(self.webhooks)  # a mistake in it is said at once
        pager, self.pager = start_pager(self.processes, outside, port=self.ports.pager)
        self.cloud.start(self.processes, outside)
        self.temporal = start_temporal(
            self.processes,
            outside,
            port=self.ports.temporal,
            ui_port=self.ports.temporal_ui,
            database=self._database,
        )
        self.cloud.prepare()
        wait_for_pager(pager, self.pager)
        self.temporal.wait()
        inside = outside | self.env
        self._start_worker(ROOT_WORKER, "root_orchestrator", self.ports.root_worker, inside)
        self._start_worker(INCIDENT_WORKER, "incident", self.ports.incident_worker, inside)
        self.cloud.start_listeners(self.processes, inside)
        for child in self.processes:
            self.wait_ready(child.name)

    def _start_worker(self, name: str, module: str, port: int, env: Mapping[str, str]) -> None:
        module = f"workers.{module}.run_worker"
        env = {**env, "TIDEGATE_HEALTH_ADDRESS": f"127.0.0.1:{port}"}
        if self._containers:
            log = self.processes.logs / f"{name}.log"
            self.processes.add(Container(name, module, env, log))
        else:
            self.processes.start(name, python(module), env)

    def _is_ready(self, name: str, child: Child) -> bool:
        if name == ROOT_WORKER:
            return answers(f"http://127.0.0.1:{self.ports.root_worker}/readyz")
        if name == INCIDENT_WORKER:
            return answers(f"http://127.0.0.1:{self.ports.incident_worker}/readyz")
        if name == TEMPORAL:
            self.temporal.wait()
        return self.cloud.is_listening(child)

    def _stop(self) -> None:
        with uninterrupted():
            self.processes.stop()
            self.cloud.close()


def outside_environment() -> dict[str, str]:
    """The caller's environment without any setting that leads to somebody's account or server."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
    env |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    for name in ("TIDEGATE_ROUTES", "TIDEGATE_WEBHOOKS"):
        if file := env.get(name):
            env[name] = str(Path(file).resolve())  # the children work elsewhere
    local = "127.0.0.1,localhost"
    return {**env, "PYTHONUNBUFFERED": "1", "NO_PROXY": local, "no_proxy": local}


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within the block neither Ctrl-C nor another polite ending is heard: it cleans up in peace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDINGS)}
    for number in before:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block SIGTERM, and a terminal that closes, do what Ctrl-C does: they raise
    KeyboardInterrupt."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def running(state: Path) -> Endpoints:
    """Where the stack with this state folder is. Raises `LocalStackError` when none runs."""
    if (endpoints := Endpoints.read(state)) is None:
        raise LocalStackError(
            f"no local stack runs here ({state / 'stack.json'} names none)",
            fix="start one in another shell, in this folder: `tidegate dev`",
        )
    return endpoints


@contextmanager
def announced(stack: LocalStack, state: Path) -> Iterator[None]:
    """Within the block another shell finds the stack through its state folder."""
    stack.endpoints.write(state)
    exports = [f"export {name}={shlex.quote(text)}\n" for name, text in stack.env.items()]
    (state / "env").write_text("".join(exports))
    try:
        yield
    finally:
        for name in ("stack.json", "env"):
            with suppress(FileNotFoundError):
                (state / name).unlink()
