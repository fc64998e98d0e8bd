"""Ports of the local stack: a server never loses its port, and two stacks never share one."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from infra.local.loopback import HOST, Ports
from infra.local.processes import LocalStackError, Processes
from infra.local.servers import Program, start_server

BINDS = """
import signal, socket, sys
held = [socket.create_server(("127.0.0.1", int(number))) for number in sys.argv[1:]]
print("up", *sys.argv[1:], flush=True)
signal.pause()
"""


@pytest.fixture
def ports() -> Iterator[Ports]:
    with closing(Ports()) as ports:
        yield ports


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "logs")
    yield processes
    processes.stop()


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


@pytest.mark.parametrize("how", ["listen", "reserve"])
def test_a_preferred_port_is_used(ports: Ports, how: str) -> None:
    preferred = {"store": ports.reserve("any")}
    ports.close()
    with closing(Ports(preferred)) as own:
        port = own.listen("store").port if how == "listen" else own.reserve("store")
        assert port == preferred["store"]
        assert own.remarks == []


@pytest.mark.parametrize("how", ["listen", "reserve"])
def test_a_preferred_port_that_is_taken_is_replaced_and_named(how: str) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        with closing(Ports({"store": taken})) as ports:
            port = ports.listen("store").port if how == "listen" else ports.reserve("store")
            assert port != taken
            assert ports.remarks == [f"port {taken} is taken: {port} is used for store"]


@pytest.mark.parametrize("how", ["listen", "reserve"])
def test_two_stacks_that_prefer_the_same_port_get_two(ports: Ports, how: str) -> None:
    preferred = {"store": ports.reserve("any")}
    ports.close()
    with closing(Ports(preferred)) as first, closing(Ports(preferred)) as second:
        if how == "listen":
            found = [first.listen("store").port, second.listen("store").port]
        else:
            found = [first.reserve("store"), second.reserve("store")]
        assert found[0] == preferred["store"] != found[1]


def test_a_reserved_port_can_be_bound_by_a_program_and_is_given_to_no_other_stack(
    ports: Ports,
) -> None:
    port = ports.reserve("program")
    with closing(Ports({"program": port})) as other:
        assert other.reserve("program") != port
    socket.create_server((HOST, port)).close()
    ports.close()
    with closing(Ports({"program": port})) as other:
        assert other.reserve("program") == port


@pytest.mark.parametrize("how", ["listen", "reserve"])
def test_an_exact_port_that_is_taken_is_refused_by_its_number_and_name(how: str) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        with closing(Ports({"store": taken}, exact=True)) as ports:
            with pytest.raises(OSError, match=f"port {taken}, for store: Address already in use"):
                ports.listen("store") if how == "listen" else ports.reserve("store")
            assert ports.listen("without a preference").port != taken


def test_a_reserved_port_can_be_released_and_reserved_again(ports: Ports) -> None:
    port = ports.reserve("any")
    with closing(Ports({"program": port}, exact=True)) as other:
        with pytest.raises(OSError, match="for program: Address already in use"):
            other.reserve("program")
        ports.release(port)
        assert other.reserve("program") == port


def test_a_shared_port_has_several_sockets(ports: Ports) -> None:
    first, second = (ports.listen("gateway", shared=True) for _ in range(2))
    assert first.port == second.port
    assert first.socket is not second.socket


def test_a_closed_port_refuses_and_cannot_be_taken(closed_port: int) -> None:
    assert not connects(closed_port)
    with pytest.raises(OSError, match="in use"):
        socket.create_server((HOST, closed_port))


def test_a_server_keeps_its_port_while_it_is_down(processes: Processes) -> None:
    pager = start_server(processes, "pager", "infra.local.pager", os.environ)
    pager.wait("/pages")
    pager.child.kill()
    port = int(pager.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        socket.create_server((HOST, port))
    pager.child.start()
    pager.wait("/pages")


def test_a_server_that_dies_is_not_waited_for(processes: Processes) -> None:
    server = start_server(processes, "none", "infra.local.no_such_server", os.environ)
    with pytest.raises(LocalStackError, match=r"(?s)none ended with exit code 1.*no_such_server"):
        server.wait("/")


def program(processes: Processes, *ports: str, script: str = BINDS) -> Program:
    def command(*numbers: int) -> list[str]:
        return [sys.executable, "-c", script, *map(str, numbers)]

    return Program(processes, "program", os.environ, ports=ports, command=command, listens="up")


def test_a_program_whose_port_was_taken_meanwhile_gets_another(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        reserve = processes.ports.reserve
        numbers = iter([taken])  # as if it had been free when it was reserved
        monkeypatch.setattr(
            processes.ports, "reserve", lambda name: next(numbers, 0) or reserve(name)
        )
        started = program(processes, "one", "two")
        assert taken in started.ports
        started.wait()
        assert taken not in started.ports
        assert f"up {' '.join(map(str, started.ports))}" in started.child.output()
        assert all(map(connects, started.ports))


def test_a_program_with_exact_ports_is_not_given_others(processes: Processes) -> None:
    with closing(Ports()) as others:
        port = others.reserve("any")
    with closing(Ports({"one": port}, exact=True)) as exact:
        processes.ports = exact
        started = program(processes, "one")
        started.wait()
        assert started.ports == (port,)


def test_a_program_that_was_up_keeps_its_ports(processes: Processes) -> None:
    started = program(processes, "one")
    started.wait()
    ports = started.ports
    started.child.kill()
    with socket.create_server((HOST, ports[0])):
        started.child.start()
        with pytest.raises(LocalStackError, match="ended with exit code 1"):
            started.wait()
    started.child.restart()
    started.wait()
    assert started.ports == ports


def test_a_program_that_dies_of_something_else_is_not_started_again(processes: Processes) -> None:
    started = program(processes, "one", script="print('no database'); exit(3)")
    with pytest.raises(LocalStackError, match=r"(?s)exit code 3.*no database"):
        started.wait()
    assert started.child.log.read_text() == "no database\n"
