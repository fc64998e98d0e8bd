"""Whatever fails while a local stack starts is one line with a next step."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import stack as stacks
from infra.local.aws import cloud as aws
from infra.local.azure.cloud import AzureServers
from infra.local.environment import outside_environment
from infra.local.loopback import HOST, Ports
from infra.local.processes import LocalStackError, Processes, program, python, wait_until
from infra.local.stack import LocalStack


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "logs")
    yield processes
    processes.stop()


def one_line(error: pytest.ExceptionInfo[LocalStackError]) -> str:
    """Its message, which is one line and has a next step."""
    assert error.value.fix
    assert "\n" not in error.value.message + error.value.fix
    return error.value.message


def refused(stack: LocalStack) -> str:
    with pytest.raises(LocalStackError) as error, stack:
        pass
    assert list(stack.processes) == [] or not any(child.alive for child in stack.processes)
    return one_line(error)


def test_a_port_of_the_base_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        said = refused(LocalStack(tmp_path, ports=Ports({"Webhooks": taken}, exact=True)))
    assert said == f"cannot start: port {taken}, for Webhooks: Address already in use"


def test_a_program_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.temporal.program", lambda name: program(f"no-{name}"))
    assert refused(LocalStack(tmp_path)) == "there is no program no-temporal on this machine"


def test_a_server_that_dies_while_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(module: str, *arguments: str) -> list[str]:
        return python("infra.local.no_such_module" if "server_main" in module else module)

    monkeypatch.setattr("infra.local.servers.python", broken)
    said = refused(LocalStack(tmp_path))
    assert said.startswith("aws ended with exit code 1: ")
    assert said.endswith("No module named infra.local.no_such_module")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(LocalStack(tmp_path / "file" / "state"))
    assert said == f"cannot start: Not a directory: {tmp_path}/file/state"


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.EADDRINUSE, "stop what uses it, or name another port"),
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "make it a folder that can be written"),
        (errno.EMFILE, "raise the limit"),
        (errno.EIO, "see the logs"),
    ],
)
def test_what_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/state/logs/pager.log")

    monkeypatch.setattr(stacks, "start_pager", refuse)
    with pytest.raises(LocalStackError) as error, LocalStack(tmp_path):
        pass
    assert one_line(error) == f"cannot start: {os.strerror(number)}: /state/logs/pager.log"
    assert error.value.fix.startswith(step)


def test_what_a_worker_logs_last_is_said_and_not_its_json(processes: Processes) -> None:
    line = '{"level": "CRITICAL", "message": "cannot start: TIDEGATE_QUARANTINE is not set"}'
    child = processes.start("root-worker", ["/bin/sh", "-c", f"echo '{line}'; exit 2"], os.environ)
    with pytest.raises(LocalStackError) as error:
        wait_until(lambda: False, 20, "nothing", check=child.check)
    said = one_line(error)
    assert said == (
        "root-worker ended with exit code 2: cannot start: TIDEGATE_QUARANTINE is not set"
    )
    assert error.value.fix == f"see its log: {child.log}"
    assert error.value.__notes__ == [f"  | {line}"]


def test_aws_calls_that_fail(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = aws.AwsServers(processes, outside_environment(), bridge=False)
    servers.prepare().close()
    with pytest.raises(LocalStackError) as error:
        servers.prepare()
    assert one_line(error).startswith("cannot create the bucket and the queues: ")
    assert "BucketAlreadyOwnedByYou" in error.value.message

    # Its socket stays open, so nobody refuses the next call.
    monkeypatch.setattr(aws, "PATIENCE", 0.2)
    os.kill(processes["aws"].pid or 0, signal.SIGKILL)
    with pytest.raises(LocalStackError) as error:
        servers.start_listeners({})
    assert one_line(error).startswith("aws ended with signal SIGKILL")


def test_azure_calls_that_fail(processes: Processes) -> None:
    servers = AzureServers(processes, outside_environment(), bridge=False)
    servers.prepare().close()
    with pytest.raises(LocalStackError) as error:
        servers.prepare()
    assert one_line(error).startswith(
        "cannot create the container: The specified container already"
    )
