"""Answers of workers that may have to be woken first."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal import answers
from core.adapters.temporal.answers import query

NO_POLLER = RPCError(
    "no poller seen for task queue recently", RPCStatusCode.FAILED_PRECONDITION, b""
)
TIME_OUT = RPCError("timed out", RPCStatusCode.DEADLINE_EXCEEDED, b"")
OTHER = RPCError("the workflow is in a strange state", RPCStatusCode.FAILED_PRECONDITION, b"")
DENIED = RPCError("denied", RPCStatusCode.PERMISSION_DENIED, b"")


class Handle(SimpleNamespace):
    """A workflow whose queries end so, one after another, and then with an answer."""

    def __init__(self, *ends: RPCError) -> None:
        super().__init__(ends=list(ends), asked=0)

    async def query(self, *_: Any, **__: Any) -> str:
        self.asked += 1
        if self.ends:
            raise self.ends.pop(0)
        return "an answer"


async def ask(handle: Handle) -> str:
    return await query(handle, "incident", str)  # type: ignore[arg-type]


async def test_a_query_is_asked_again_until_a_worker_answers() -> None:
    assert await ask(Handle(NO_POLLER, TIME_OUT, NO_POLLER)) == "an answer"


@pytest.mark.parametrize("error", [OTHER, DENIED], ids=["other", "denied"])
async def test_what_no_worker_would_change_is_raised_immediately(error: RPCError) -> None:
    handle = Handle(error)
    with pytest.raises(RPCError) as raised:
        await ask(handle)
    assert (raised.value, handle.asked) == (error, 1)


async def test_a_query_is_not_asked_for_longer_than_anybody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "ANSWER_TIMEOUT", timedelta(seconds=0.05))
    with pytest.raises(RPCError, match="no poller seen"):
        await ask(Handle(*[NO_POLLER] * 100_000))
