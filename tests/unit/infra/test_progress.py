"""What a local stack says while it starts, and which events wait for a worker that does not run."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from core.contracts import INCIDENT_WORKER, ROOT_WORKER, WORKERS, WorkerSpec
from infra.local.progress import shown_on
from infra.local.welcome import waiting

ORDERS = """\
version: 1
routes:
  - {name: orders, match: {exact: {type: order}}, workflow: Order, task_queue: orders}
"""


def test_each_step_is_a_line_with_its_time_and_one_that_fails_is_none() -> None:
    printed = StringIO()
    step = shown_on(Console(file=printed, width=20))
    with step("Temporal [and its UI], in a long line"):
        pass
    with pytest.raises(OSError, match="full"), step("pager"):
        raise OSError("the disk is full")
    assert re.fullmatch(r" +0\.\d s  Temporal \[and its UI\], in a long line\n", printed.getvalue())


@pytest.mark.parametrize("interactive", [True, False])
def test_a_terminal_also_shows_the_step_that_runs(
    monkeypatch: pytest.MonkeyPatch, interactive: bool
) -> None:
    console = Console(file=StringIO(), force_terminal=True, force_interactive=interactive)
    shown: list[str] = []

    def status(text: str) -> AbstractContextManager[None]:
        shown.append(text)
        return nullcontext()

    monkeypatch.setattr(console, "status", status)
    with shown_on(console)("Temporal [its UI]"):
        assert shown == (["Temporal \\[its UI] ..."] if interactive else [])


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        (WORKERS, []),
        (
            (ROOT_WORKER,),
            [
                (
                    "incident-worker",
                    "incident-report, incident-successor, incident-event, alert, incident-command, "
                    "heartbeat",
                )
            ],
        ),
        (
            (INCIDENT_WORKER,),
            [("root-worker", "incident-report, incident-successor, incident-event")],
        ),
    ],
)
def test_events_that_wait_for_a_worker_are_named_by_their_routes(
    workers: tuple[WorkerSpec, ...], said: list[tuple[str, str]]
) -> None:
    sentences = [f"Without {name}, events of these routes wait: {routes}" for name, routes in said]
    assert list(waiting({}, workers)) == sentences


def test_nothing_waits_for_a_worker_that_no_route_needs(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(ORDERS)
    assert list(waiting({"TIDEGATE_ROUTES": str(routes)}, (ROOT_WORKER,))) == []
