"""The environment of a stack: what every process of it gets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast, get_args

import pytest

from core.bootstrap import check_link_keys
from core.config.settings import Settings
from core.contracts import INCIDENT_WORKER
from infra.local.aws.serverless import HANDLER, MEMORY_MB
from infra.local.cloud import Cloud
from infra.local.environment import outside_environment
from infra.local.pager import Pager
from infra.local.processes import Child
from infra.local.servers import Server
from infra.local.stack import LocalStack
from infra.local.temporal import TemporalServer
from infra.local.workers import Hosting
from tests.support.cloudformation import SERVERLESS, template


@pytest.fixture
def stack(tmp_path: Path) -> LocalStack:
    """A stack that has not been started, with two settings of its caller, one of which the stack
    has a value for."""
    chosen = {"TIDEGATE_ACK_TIMEOUT": "7", "TIDEGATE_WEBHOOKS": "theirs.yaml"}
    stack = LocalStack(tmp_path, chosen=(), settings=chosen)
    stack.cloud = cast("Cloud", SimpleNamespace(env={"AWS_REGION": "here"}, store="s3://store"))
    stack.temporal = cast("TemporalServer", SimpleNamespace(address="127.0.0.1:1", ui=None))
    return stack


def test_the_settings_of_the_caller_reach_every_process_and_come_before_the_stacks_own(
    stack: LocalStack,
) -> None:
    assert stack.env["TIDEGATE_ACK_TIMEOUT"] == "7"
    assert stack.env["TIDEGATE_WEBHOOKS"] == "theirs.yaml"
    assert stack.env["AWS_REGION"] == "here"
    assert stack.env["TEMPORAL_ADDRESS"] == "127.0.0.1:1"


def test_a_server_on_which_serverless_workers_are_deployed_is_kept_apart_from_the_others(
    tmp_path: Path,
) -> None:
    databases = {
        hosting: LocalStack(tmp_path, keep=True, hosting=hosting)._database
        for hosting in get_args(Hosting)
    }
    assert databases == {
        "processes": tmp_path / "temporal.db",
        "docker": tmp_path / "temporal.db",
        "serverless": tmp_path / "serverless.db",
    }


def test_the_function_of_serverless_workers_is_the_template_s() -> None:
    deployed = template(SERVERLESS)
    assert HANDLER.replace(":", ".") == deployed["Resources"]["Workers"]["Properties"]["Handler"]
    assert deployed["Parameters"]["MemorySize"]["Default"] == MEMORY_MB


def test_processes_find_their_modules_where_the_caller_has_a_safe_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("PYTHONUTF8", "1")
    assert "PYTHONSAFEPATH" not in outside_environment()
    assert outside_environment()["PYTHONUTF8"] == "1"


def test_pages_have_links_where_an_application_answers_them(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.pager = Pager(Server(cast("Child", None), "http://127.0.0.1:2"))
    stack.application = Server(cast("Child", None), "http://127.0.0.1:3")
    assert "TIDEGATE_APP_URL" not in stack.env
    stack.workers = (INCIDENT_WORKER,)
    monkeypatch.setenv("LOCAL_LINK_KEY", stack.env["LOCAL_LINK_KEY"])
    names = ("TIDEGATE_APP_URL", "TIDEGATE_LINK_KEYS")
    settings = Settings.from_env({name: stack.env[name] for name in names})
    assert settings.app_url == "http://127.0.0.1:3"
    check_link_keys(settings)
