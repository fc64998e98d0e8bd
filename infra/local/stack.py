"""The whole stack on one machine: which processes there are, their settings, and their order.

    pager, the cloud's servers, Temporal  ->  bucket and queues  ->  workers, listeners

Everything that runs is a child of this process (see `processes`), listens on 127.0.0.1 only, and
finds the others through its environment. Of the caller's own AWS, Azure, Temporal and Tidegate
settings only a few reach a child (see `environment`), so that no real account is ever touched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from core.config.files import load_webhooks
from core.contracts import WORKERS
from core.domain.event import ALERT
from infra.local import workers
from infra.local.cloud import INCIDENTS, QUARANTINE, REPORTS, Cloud, CloudName
from infra.local.clouds import start_cloud
from infra.local.containers import check_docker
from infra.local.endpoints import Endpoints
from infra.local.environment import HOOK_SECRETS, WEBHOOKS, outside_environment
from infra.local.pager import ESCALATION, ON_CALL, Pager, start_pager
from infra.local.processes import Child, Processes, wait_until
from infra.local.signals import uninterrupted
from infra.local.temporal import NAMESPACE, TEMPORAL, TemporalServer, start_temporal

_READY_TIMEOUT: Final = 120.0
_DRAIN_TIMEOUT: Final = "3"


class LocalStack:
    """The stack as a context manager: up inside the block, and nothing of it left after.

    `state` is the folder for logs and Temporal's database. `ports` are preferences by name (see
    `Ports`); `processes.ports.remarks` says where another one is used. With `ui` Temporal serves
    its UI. With `persistent` the database survives a crash of the server; with `keep` also the end
    of the stack. With `bridge` each upload is announced twice, in two ways. With `containers` the
    workers run in containers of their image. `settings` are more settings of every process.
    """

    pager: Pager
    cloud: Cloud
    temporal: TemporalServer

    def __init__(
        self,
        state: Path,
        *,
        cloud: CloudName = "aws",
        ports: Mapping[str, int] | None = None,
        ack_timeout: float = 300.0,
        ui: bool = False,
        persistent: bool = False,
        keep: bool = False,
        bridge: bool = False,
        containers: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.state = state.resolve()
        self.processes = Processes(self.state / "logs", ports)
        self.webhooks = Path(outside_environment().get("TIDEGATE_WEBHOOKS", WEBHOOKS))
        self.queue_formats = outside_environment().get("TIDEGATE_QUEUE_FORMATS", "")
        self._cloud = cloud
        self._ack_timeout = ack_timeout
        self._ui = ui
        self._database = self.state / "temporal.db" if persistent or keep else None
        self._keep = keep
        self._bridge = bridge
        self._containers = containers
        self._settings = settings or {}
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._closing.callback(self.processes.stop)
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
        """The settings of every process of the stack, and of a shell that uses it."""
        return {
            **self.cloud.env,
            "TEMPORAL_ADDRESS": self.temporal.address,
            "TEMPORAL_NAMESPACE": NAMESPACE,
            # An empty file, so that the caller's own profiles are not read.
            "TEMPORAL_CONFIG_FILE": str(self.state / "temporal.toml"),
            "TIDEGATE_DOCUMENTS": f"{self.cloud.store}/{INCIDENTS}",
            "TIDEGATE_REPORTS": f"{self.cloud.store}/{REPORTS}",
            "TIDEGATE_QUARANTINE": f"{self.cloud.store}/{QUARANTINE}",
            "TIDEGATE_PAGE_URLS": self.pager.target(ON_CALL),
            "TIDEGATE_ESCALATION_URLS": self.pager.target(ESCALATION),
            "TIDEGATE_ACK_TIMEOUT": f"{self._ack_timeout:g}",
            "TIDEGATE_DRAIN_TIMEOUT": _DRAIN_TIMEOUT,
            "TIDEGATE_WEBHOOKS": str(self.webhooks),
            "TIDEGATE_QUEUE_FORMATS": self.queue_formats,
            "TIDEGATE_TRUSTED_TYPES": ALERT,
            **HOOK_SECRETS,
            **self._settings,
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
            queue_formats=self.env["TIDEGATE_QUEUE_FORMATS"],
            pager=self.pager.url,
        )

    def receipts(self, listener: str, wanted: str) -> list[dict[str, Any]]:
        """What a listener has logged since its last start: its receipts for events whose key
        contains `wanted`."""
        logged = []
        for line in self.processes[listener].output().rpartition("\n")[0].splitlines():
            if line.startswith("{") and '"receipts"' in line:
                logged += json.loads(line)["receipts"]
        return [receipt for receipt in logged if wanted in (receipt.get("key") or "")]

    def wait_ready(self, name: str) -> None:
        """Return when a child is ready. Raises `LocalStackError` when it dies or is not in time."""
        child = self.processes[name]
        if name == TEMPORAL:
            self.temporal.wait()
        wait_until(
            lambda: self._is_ready(child),
            _READY_TIMEOUT,
            f"{name} to become ready (its log is {child.log})",
            check=child.check,
        )

    def restart(self, name: str) -> None:
        """Start a child again, whether it runs or has died, and wait until it is ready."""
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
        load_webhooks(self.webhooks)  # reports a mistake in the file before anything starts
        self.pager = start_pager(self.processes, outside)
        self._servers = start_cloud(self._cloud, self.processes, outside, bridge=self._bridge)
        self.temporal = start_temporal(
            self.processes, outside, ui=self._ui, database=self._database
        )
        self.cloud = self._servers.prepare()
        self._closing.callback(self.cloud.close)
        self.pager.wait()
        self.temporal.wait()
        inside = outside | self.env
        for spec in WORKERS:
            workers.start_worker(self.processes, spec, inside, container=self._containers)
        self._servers.start_listeners(inside)
        for child in self.processes:
            self.wait_ready(child.name)

    def _is_ready(self, child: Child) -> bool:
        if child.name in workers.NAMES:
            return workers.is_ready(child)
        return self._servers.is_listening(child)

    def _stop(self) -> None:
        with uninterrupted():
            self._closing.close()
