"""The workers' handler for Lambda, which also says how far it had come when.

Each invocation appends a line of JSON to the file that `BENCH_MARKS` names: the invocation's `id`,
seconds since the epoch by the name of the moment, and `cpu`, the seconds of CPU that the process
has had when it begins to poll.
"""

from __future__ import annotations

import time

_MARKS = {"started": time.time()}

import json  # noqa: E402  the process has started before anything is imported
import os  # noqa: E402
from collections.abc import Awaitable, Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, ParamSpec, TypeVar  # noqa: E402
from unittest.mock import patch  # noqa: E402

from core.cold_start import at_rest  # noqa: E402

P = ParamSpec("P")
T = TypeVar("T")

with at_rest():
    from core import bootstrap
    from core.config.settings import Settings

_from_env = Settings.from_env


def _settings() -> Settings:
    """The handler reads its settings when its imports are done, and makes its plans next."""
    _MARKS.setdefault("settings", time.time())
    return _from_env()


with patch.object(Settings, "from_env", _settings):
    from workers.serverless import handler as ours
    from workers.serverless import session


def handler(event: Any, context: Any) -> None:
    marks = dict(_MARKS)

    def marked(call: Callable[P, Awaitable[T]], name: str) -> Callable[P, Awaitable[T]]:
        async def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            marks[f"before {name}"] = time.time()
            marks["cpu"] = time.process_time()
            done = await call(*args, **kwargs)
            marks[f"after {name}"] = time.time()
            return done

        return timed

    with (
        patch.object(bootstrap, "connect", marked(bootstrap.connect, "connect")),
        patch.object(session, "serve", marked(session.serve, "serve")),
    ):
        ours.handler(event, context)
    line = json.dumps({"id": context.aws_request_id, **marks})
    with Path(os.environ["BENCH_MARKS"]).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
