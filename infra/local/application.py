"""The HTTP application of the local stack: what `uvicorn` serves elsewhere, on a socket that it
inherits.

python -m infra.local.application --socket DESCRIPTOR
"""

from __future__ import annotations

import argparse
import getpass
import logging
import sys
from collections.abc import Mapping

from core.app.identity.caller import NotAuthenticated, Role, caller_named
from core.config.settings import Settings
from core.errors import ConfigurationError
from infra.local.loopback import APPLICATION_PORT, inherited
from infra.local.processes import Processes
from infra.local.servers import Server, start_server

APPLICATION = "application"


def start_application(processes: Processes, env: Mapping[str, str]) -> Server:
    """Start the application; it answers `/healthz` when it is ready."""
    module = "infra.local.application"
    return start_server(processes, APPLICATION, module, env, port=APPLICATION_PORT)


def main() -> None:
    """Serve until SIGTERM."""
    import uvicorn

    from core.app.application import create

    parser = argparse.ArgumentParser(prog="python -m infra.local.application")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    listening = parser.parse_args().socket
    try:
        logging.basicConfig(level=Settings.from_env().log_level)
        application = create(local_user=_user())  # it is reached from this machine alone
    except ConfigurationError as error:
        sys.exit(f"cannot start: {error}")
    config = uvicorn.Config(
        application,
        access_log=False,
        log_config=None,
        lifespan="off",
        server_header=False,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[listening])


def _user() -> str:
    """Who visits the console: the user of this machine, if it says who that is."""
    try:
        return caller_named(getpass.getuser(), Role.VIEWER).name
    except (OSError, KeyError, NotAuthenticated):
        return "local"


if __name__ == "__main__":
    main()
