"""The workers' handler for Lambda, which also says how far it had come when.

Each invocation appends a line of JSON to the file that `BENCH_MARKS` names: seconds since the epoch
by the name of what had just been done, and the invocation's `id`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar
from unittest.mock import patch

from core import bootstrap
from workers.serverless import handler as ours
from workers.serverless import session

_IMPORTED: Final = time.time()

P = ParamSpec("P")
T = TypeVar("T")


def handler(event: Any, context: Any) -> None:
    marks = {"imported": _IMPORTED}

    def marked(call: Callable[P, Awaitable[T]], name: str) -> Callable[P, Awaitable[T]]:
        async def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            marks[f"before {name}"] = time.time()
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
