"""A real Prometheus takes a webhook for its Alertmanager: the preset `prometheus` reads it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from core.domain.alert import Alert, read_alert
from core.webhooks.request import Request
from infra.local.processes import Processes
from tests.support.eventually import eventually
from tests.support.programs import program
from tests.support.web import Quiet, listening
from tests.support.webhooks import TOKEN, Harness
from tests.support.workflows_port import MemoryWorkflows

pytestmark = pytest.mark.slow

HOOKS = {"prometheus": {"format": "mapped", "preset": "prometheus"}}
RULE = """
      - alert: {name}
        expr: {expression}
        labels: {{severity: page, service: checkout}}
        annotations: {{summary: "{name} is slow", runbook_url: "https://wiki.example/{name}"}}
"""


@pytest.fixture
def binary() -> str:
    return program("prometheus", package="prometheus")


class Alerts:
    """What was read of the requests so far, and what they were answered."""

    def __init__(self, workflows: MemoryWorkflows) -> None:
        self.workflows = workflows
        self.answers: list[tuple[str, int]] = []

    def of(self, name: str) -> list[Alert]:
        read = [read_alert(event) for event in self.workflows.calls]
        return [alert for alert in read if alert.labels["alertname"] == name]


@contextmanager
def gateway(harness: Harness, alerts: Alerts) -> Iterator[int]:
    """The port of a web server in front of the webhooks."""
    loop = asyncio.get_running_loop()

    class Gateway(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = Request(
                method="POST",
                path=self.path,
                headers={name.lower(): text for name, text in self.headers.items()},
                body=self.rfile.read(int(self.headers["Content-Length"])),
            )
            harness.now = datetime.now(UTC)
            answer = asyncio.run_coroutine_threadsafe(harness.send(request), loop).result()
            alerts.answers.append((self.path, answer.response.status))
            self.send_response(answer.response.status)
            self.end_headers()

    with listening(Gateway) as port:
        yield port


def configure(folder: Path, port: int, rules: dict[str, str]) -> Path:
    """Prometheus's configuration, with rules by their names and expressions."""
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "rules.yml").write_text(
        "groups:\n  - name: here\n    rules:"
        + "".join(RULE.format(name=name, expression=text) for name, text in rules.items())
    )
    file = folder / "prometheus.yml"
    file.write_text(f"""
global: {{evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - path_prefix: /hooks/prometheus
      authorization: {{credentials_file: {folder / "token"}}}
      static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
""")
    return file


async def test_prometheus_says_that_alerts_fire_and_end_and_nothing_of_a_rule_that_is_removed(
    binary: str, tmp_path: Path
) -> None:
    workflows = MemoryWorkflows()
    alerts = Alerts(workflows)
    processes = Processes(tmp_path / "logs")

    async def heard(count: int, *names: str) -> bool:
        processes.check()
        return all(len(alerts.of(name)) >= count for name in names)

    with gateway(Harness(workflows, tmp_path, hooks=HOOKS), alerts) as port:
        on = {"ends": "vector(1)", "stays": "vector(1)", "removed": "vector(1)"}
        file = configure(tmp_path, port, on)
        child = processes.start(
            "prometheus",
            [
                binary,
                f"--config.file={file}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--rules.alert.resend-delay=1s",
            ],
            {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        )
        try:
            await eventually(lambda: heard(2, *on), "all to fire")
            configure(tmp_path, port, {"ends": "vector(1) > 2", "stays": "vector(1)"})
            child.signal(signal.SIGHUP)

            async def ended() -> bool:
                processes.check()
                return alerts.of("ends")[-1].status == "resolved"

            await eventually(ended, "one to end")
            before = {name: len(alerts.of(name)) for name in on}
            await eventually(lambda: heard(before["stays"] + 3, "stays"), "the other to fire on")
            written = child.output()  # it may be stopped while it sends
        finally:
            processes.stop()

    first, *_, last = alerts.of("ends")
    assert (first.status, first.ends_at, first.replicated) == ("firing", None, True)
    assert (first.title, first.severity, first.service) == ("ends is slow", "page", "checkout")
    assert first.links["runbook"] == "https://wiki.example/ends"
    assert (last.key, last.starts_at) == (first.key, first.starts_at)
    assert first.starts_at is not None
    assert last.ends_at is not None
    assert first.starts_at < last.ends_at
    assert len({alert.key for name in on for alert in alerts.of(name)}) == len(on)
    assert {alert.status for name in ("stays", "removed") for alert in alerts.of(name)} == {
        "firing"
    }
    assert len(alerts.of("removed")) == before["removed"]
    assert set(alerts.answers) == {("/hooks/prometheus/api/v2/alerts", 202)}
    assert "Error sending alert" not in written
