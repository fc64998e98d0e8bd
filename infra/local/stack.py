"""The whole stack on one machine: which processes there are, their settings, and their order.

    pager, the cloud's servers, Temporal  ->  bucket and queues  ->  workers, listeners

Everything that runs is a child of this process (see `processes`), listens on 127.0.0.1 only, and
finds the others through its environment. The caller's own AWS, Azure and Temporal settings reach no
child (see `environment`), so that no real account is ever touched.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from core.contracts import WORKERS, WorkerSpec
from core.domain.event import ALERT
from infra.local import workers
from infra.local.application import APPLICATION, start_application
from infra.local.caller import ESCALATION_URLS, PAGE_URLS
from infra.local.cloud import CLOUDS, INCIDENTS, QUARANTINE, REPORTS, Cloud, CloudName
from infra.local.clouds import deploy_function, install_cloud, start_cloud, start_function
from infra.local.containers import check_docker
from infra.local.endpoints import Endpoints
from infra.local.environment import (
    HOOK_SECRETS,
    LINK_KEYS,
    SLACK,
    WEBHOOKS,
    outside_environment,
)
from infra.local.loopback import Ports, answers
from infra.local.pager import ESCALATION, ON_CALL, Pager, start_pager
from infra.local.processes import Child, LocalStackError, Processes, wait_until
from infra.local.progress import Step, silent
from infra.local.servers import Server
from infra.local.signals import uninterrupted
from infra.local.slack import TOKEN, Slack, start_slack
from infra.local.temporal import (
    NAMESPACE,
    TEMPORAL,
    TemporalServer,
    start_temporal,
    workflow_page,
)
from infra.local.workers import Hosting

if TYPE_CHECKING:
    from infra.local.aws.serverless import LambdaServer

_READY_TIMEOUT: Final = 120.0
_DRAIN_TIMEOUT: Final = "3"
_NEXT_STEPS: Final = {
    errno.EADDRINUSE: "stop what uses it, or name another port, or none: then any free one is used",
    errno.ENOSPC: "free some space on the disk",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR),
        "make it a folder that can be written, or start the stack in another folder",
    ),
    **dict.fromkeys(
        (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM),
        "raise the limit (`ulimit -a` lists them), or end some processes",
    ),
}


class LocalStack:
    """The stack as a context manager: up inside the block, and nothing of it left after.

    `state` is the folder for logs and Temporal's database. `chosen` are the workers that run. With
    `ui` Temporal serves its UI. With `application` pages have links, where one of the workers sends
    any. With `persistent` the database survives a crash of the server; with `keep` also the end of
    the stack. With `bridge` each upload is announced twice, in two ways. `hosting` is what the
    workers run in. `settings` are more settings of every process. `people` have their own place at
    the pager, with its address in the variable LOCAL_NAME_URLS. With `slack` there is a workspace,
    at LOCAL_SLACK_API, and the application answers it, where there is one. Each step of the start
    is wrapped in `step`.

    Whatever fails at the start is raised as `LocalStackError`, in one line with a next step.
    """

    pager: Pager
    cloud: Cloud
    temporal: TemporalServer
    function: LambdaServer | None = None
    """What invokes the workers, where they are serverless."""
    application: Server | None = None
    """What the links in pages lead to."""
    slack: Slack | None = None
    """A workspace of Slack."""

    def __init__(
        self,
        state: Path,
        *,
        cloud: CloudName = "aws",
        ports: Ports | None = None,
        chosen: Sequence[WorkerSpec] = WORKERS,
        ui: bool = False,
        application: bool = False,
        persistent: bool = False,
        keep: bool = False,
        bridge: bool = False,
        hosting: Hosting = "processes",
        settings: Mapping[str, str] | None = None,
        people: Sequence[str] = (),
        slack: bool = False,
        step: Step = silent,
    ) -> None:
        self.state = state.resolve()
        self.processes = Processes(self.state / "logs", ports)
        self.workers = tuple(chosen)
        self._cloud = cloud
        self._ui = ui
        self._links = application and self.pages
        # A version that is current gets all tasks of its task queues: workers that are processes
        # would get none of a server on which serverless ones are deployed.
        database = "serverless.db" if hosting == "serverless" else "temporal.db"
        self._database = self.state / database if persistent or keep else None
        self._keep = keep
        self._bridge = bridge
        self._hosting = hosting
        self._settings = settings or {}
        self._people = people
        self._slack = slack and self._links
        self._step = step
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._closing.callback(self.processes.stop)
        try:
            self._start()
        except OSError as error:
            self._stop()
            raise not_started(error) from error
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
            **(self.function.env if self.function else {}),
            **self._of_temporal,
            "TIDEGATE_DOCUMENTS": f"{self.cloud.store}/{INCIDENTS}",
            "TIDEGATE_QUARANTINE": f"{self.cloud.store}/{QUARANTINE}",
            "TIDEGATE_DRAIN_TIMEOUT": _DRAIN_TIMEOUT,
            "TIDEGATE_WEBHOOKS": str(WEBHOOKS),
            "TIDEGATE_QUEUE_FORMATS": "",
            "TIDEGATE_TRUSTED_TYPES": ALERT,
            **(self._of_pages if self.pages else {}),
            **HOOK_SECRETS,
            **self._settings,
        }

    @property
    def _of_temporal(self) -> dict[str, str]:
        return {
            "TEMPORAL_ADDRESS": self.temporal.address,
            "TEMPORAL_NAMESPACE": NAMESPACE,
            # An empty file, so that the caller's own profiles are not read.
            "TEMPORAL_CONFIG_FILE": str(self.state / "temporal.toml"),
        }

    @property
    def pages(self) -> bool:
        """Whether one of its workers pages people."""
        return any(worker.pages for worker in self.workers)

    @property
    def _of_pages(self) -> dict[str, str]:
        places = {f"LOCAL_{who.upper()}_URLS": self.pager.target(who) for who in self._people}
        if self.slack:
            places |= {"LOCAL_SLACK_TOKEN": TOKEN, "LOCAL_SLACK_API": self.slack.api_url}
        return {
            "TIDEGATE_REPORTS": f"{self.cloud.store}/{REPORTS}",
            PAGE_URLS: self.pager.target(ON_CALL),
            ESCALATION_URLS: self.pager.target(ESCALATION),
            **({"TIDEGATE_TARGET_VARIABLES": json.dumps(places)} if places else {}),
            **({"TIDEGATE_APP_URL": self.application.url, **LINK_KEYS} if self.application else {}),
            **({"TIDEGATE_INCIDENT_URL": workflow_page(ui)} if (ui := self.temporal.ui) else {}),
        }

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            temporal=self.temporal.address,
            temporal_ui=self.temporal.ui,
            cloud=self.cloud.address,
            gateway=self.cloud.gateway,
            pager=self.pager.url,
            env=self.env,
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
            f"{name} to become ready",
            check=child.check,
            fix=child.see_log,
        )

    def restart(self, name: str) -> None:
        """Start a child again, whether it runs or has died, and wait until it is ready."""
        self.processes[name].restart()
        self.wait_ready(name)

    def _start(self) -> None:
        outside = outside_environment()
        match self._hosting:
            case "processes":
                pass
            case "docker":
                check_docker()
            case "serverless":
                self.function = start_function(self._cloud, self.processes, outside)
        install_cloud(self._cloud, self._step)
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "temporal.toml").touch()
        if self._database is not None and not self._keep:
            for left in self.state.glob(f"{self._database.name}*"):
                left.unlink()
        self.pager = start_pager(self.processes, outside)
        if self._slack:
            self.slack = start_slack(self.processes, outside)
        self._servers = start_cloud(self._cloud, self.processes, outside, bridge=self._bridge)
        self.temporal = start_temporal(
            self.processes,
            outside | (self.function.caller_env if self.function else {}),
            ui=self._ui,
            database=self._database,
            options=self.function.temporal_options if self.function else (),
            search_attributes=[name for spec in self.workers for name in spec.search_attributes],
        )
        with self._step(f"{CLOUDS[self._cloud]}: documents and queues"):
            self.cloud = self._servers.prepare()
            self._closing.callback(self.cloud.close)
        with self._step("pager"):
            self.pager.wait()
        if self.slack:
            with self._step("Slack"):
                self.slack.wait()
        with self._step("Temporal"):
            self.temporal.wait()
        up = [child.name for child in self.processes]
        if self._links:
            slack = SLACK if self.slack else {}
            env = {**outside, **self._of_temporal, **LINK_KEYS, **slack, **self._settings}
            self.application = start_application(self.processes, env)
        inside = outside | self.env
        if self._hosting != "serverless":
            for spec in self.workers:
                container = self._hosting == "docker"
                workers.start_worker(self.processes, spec, inside, container=container)
        self._servers.start_listeners(inside)
        if self.function is not None and self.workers:
            deploy_function(self.function, self.workers, self.env, self._step)
        for child in self.processes:
            if child.name not in up:
                with self._step(child.name):
                    self.wait_ready(child.name)

    def _is_ready(self, child: Child) -> bool:
        if child.name in workers.NAMES:
            return workers.is_ready(child)
        if child.name == APPLICATION and self.application:
            return answers(f"{self.application.url}/healthz")
        return self._servers.is_listening(child)

    def _stop(self) -> None:
        with uninterrupted():
            self._closing.close()


def not_started(error: OSError) -> LocalStackError:
    """What the system refused to a stack that starts, with the next step."""
    fix = _NEXT_STEPS.get(error.errno or 0, "see the logs in its state folder")
    where = f": {error.filename}" if error.filename else ""
    return LocalStackError(f"cannot start: {error.strerror or error}{where}", fix=fix)
