"""The Lambda functions under test, with fresh caches for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from core import bootstrap
from core.config.settings import Settings
from core.ports.workflows import Workflows
from functions_aws import app, runtime, webhook_listener


@contextmanager
def fresh_process(
    settings: Settings | None = None, workflows: Workflows | None = None
) -> Iterator[None]:
    """A cold start, without settings, loop or client, and none left afterwards.

    With a `workflows` the listeners use that one and these settings instead of the environment's.
    """
    _forget()
    try:
        if settings is None or workflows is None:
            yield
        else:
            intake = bootstrap.intake(settings, workflows=workflows)
            with (
                mock.patch.object(runtime, "intake", return_value=intake),
                mock.patch.object(runtime, "settings", return_value=settings),
            ):
                yield
    finally:
        for loop in (runtime.loop, app.loop):
            if loop.cache_info().currsize:
                loop().close()
        _forget()


def _forget() -> None:
    for cached in (
        runtime.settings,
        runtime.loop,
        runtime.workflows,
        runtime.intake,
        webhook_listener.webhooks,
        app.application,
        app.loop,
    ):
        cached.cache_clear()
