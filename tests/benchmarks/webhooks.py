"""Webhooks: what verification, parsing and answering add to the unavoidable start call.

`measure` calls the handler with signed requests, against the bare start call of `edge`.
`measure_gateway` has wrk post over 64 connections to the local gateway, against a bare ASGI
application that only starts a workflow.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from core.webhooks.request import Request
from core.webhooks.verifiers.standard_webhooks import StandardWebhooksVerifier
from infra.local.processes import Processes, python, wait_until
from tests.benchmarks.edge import Bare
from tests.benchmarks.figures import Figure, compare, p99, take_turns
from tests.benchmarks.harness import context, lambda_environment, servers

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN: Final = "a-token-of-the-benchmark"
CONNECTIONS: Final = 64
ENVIRONMENTS: Final = 4
"""Processes that share the gateway's port. Each stands for one of Lambda's execution environments
and handles one request at a time."""

_WEBHOOKS: Final = """
version: 1
hooks:
  signed: {format: message, verify: {scheme: standard-webhooks, secrets: ["env:BENCH_SECRET"]}}
  token: {format: message, verify: {scheme: bearer, secrets: ["env:BENCH_TOKEN"]}}
"""
_POST: Final = """
local sent = 0
local run = tostring(os.time()) .. "-" .. tostring({}):sub(8)
request = function()
  sent = sent + 1
  local body = string.format('{"specversion": "1.0", "id": "%s-%d", "source": "/bench", '
    .. '"type": "com.example.order", "data": {"order": 4711, "lines": ["one", "two"]}}', run, sent)
  return wrk.format("POST", "/hooks/token", {
    ["content-type"] = "application/cloudevents+json",
    ["authorization"] = "Bearer TOKEN",
  }, body)
end
""".replace("TOKEN", TOKEN)


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    """One signed request per invocation."""
    with servers(folder) as (_, server):
        os.environ.update(environment(folder, server.address))
        bare = Bare(server.address)
        try:
            cases: dict[str, Callable[[], float]] = {"bare": lambda: bare.start(1), "ours": _handle}
            samples = take_turns(cases, 200 if quick else 1000, warm_up=30)
        finally:
            bare.close()
    ours, baseline = ([seconds * 1000 for seconds in samples[name]] for name in ("ours", "bare"))
    unit, against = "ms", "bare start"
    return [
        compare("per request, p50", ours, baseline, against=against, unit=unit, at_most=1.10),
        compare("per request, p99", ours, baseline, against=against, unit=unit, statistic=p99),
    ]


def measure_gateway(folder: Path, *, quick: bool) -> list[Figure]:
    """Requests per second over real HTTP."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("there is no wrk on PATH (Debian and Ubuntu: apt-get install wrk)")
    script = folder / "post.lua"
    script.write_text(_POST)
    with servers(folder) as (processes, server):
        env = {**os.environ, **environment(folder, server.address)}
        ours = _start_gateway(processes, env)
        bare = _start_bare(processes, env)
        for port in (ours, bare):
            wait_until(partial(_posts, wrk, script, port, 1), 60.0, "requests to pass")
        cases = {
            "bare": lambda: _posts(wrk, script, bare, 3),
            "ours": lambda: _posts(wrk, script, ours, 3),
        }
        samples = take_turns(cases, 5 if quick else 10)
    what = f"gateway, {CONNECTIONS} connections"
    return [
        compare(what, samples["ours"], samples["bare"], against="bare ASGI app", unit="requests/s")
    ]


def environment(folder: Path, address: str) -> dict[str, str]:
    file = folder / "webhooks.yaml"
    file.write_text(_WEBHOOKS)
    return {
        **lambda_environment(folder, address),
        "TIDEGATE_WEBHOOKS": str(file),
        "BENCH_SECRET": SECRET,
        "BENCH_TOKEN": TOKEN,
    }


def _handle() -> float:
    """Invokes the webhook handler once; returns the seconds."""
    from functions_aws.webhook_listener import handler

    event, invocation = signed(), context()
    begun = time.perf_counter()
    answer = handler(event, invocation)
    taken = time.perf_counter() - begun
    if answer["statusCode"] != 202:
        raise RuntimeError(f"not accepted: {answer}")
    return taken


def signed() -> dict[str, Any]:
    """One signed request as the event of an HTTP API."""
    body = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/bench",
        "type": "com.example.order",
        "data": {"order": 4711, "lines": [f"line {n}" for n in range(20)]},
    }
    plain = Request(
        method="POST",
        path="/hooks/signed",
        headers={"content-type": "application/cloudevents+json", "user-agent": "bench/1.0"},
        body=json.dumps(body).encode(),
    )
    verifier = StandardWebhooksVerifier(scheme="standard-webhooks", secrets=("env:BENCH_SECRET",))
    request = verifier.sign(plain, [SECRET], datetime.now(UTC))
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": "",
        "headers": dict(request.headers),
        "requestContext": {
            "stage": "$default",
            "requestId": str(uuid.uuid4()),
            "http": {"method": "POST", "path": request.path, "sourceIp": "192.0.2.10"},
        },
        "body": request.body.decode(),
        "isBase64Encoded": False,
    }


def _start_gateway(processes: Processes, env: dict[str, str]) -> int:
    listeners = [processes.ports.listen("gateway", shared=True) for _ in range(ENVIRONMENTS)]
    for number, listener in enumerate(listeners):
        command = python(
            "infra.local.aws.gateway",
            *listener.option,
            *("--handler", "functions_aws.webhook_listener:handler"),
        )
        processes.start(f"gateway-{number}", command, env, listener)
    return listeners[0].port


def _start_bare(processes: Processes, env: dict[str, str]) -> int:
    port = processes.ports.reserve("bare")
    command = [
        *(sys.executable, "-m", "uvicorn", "tests.benchmarks.naive.asgi:app"),
        *("--port", str(port), "--no-access-log", "--log-level", "warning"),
    ]
    processes.start("bare", command, env)
    return port


def _posts(wrk: str, script: Path, port: int, seconds: int) -> float:
    """Successful requests per second; 0 when any of them failed."""
    done = subprocess.run(
        [
            *(wrk, "--threads", "1", "--connections", str(CONNECTIONS)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(script)),
            f"http://127.0.0.1:{port}/hooks/token",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if done.returncode != 0 or found is None or "Non-2xx" in done.stdout:
        return 0.0
    return float(found[1])
