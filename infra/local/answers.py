"""Speaking HTTP to this machine: whatever proxy the environment names is not asked."""

from __future__ import annotations

import requests


def local_session() -> requests.Session:
    """A client for servers on this machine."""
    session = requests.Session()
    session.trust_env = False
    return session


def answers(url: str) -> bool:
    """Whether a server answers with success."""
    try:
        with local_session() as session:
            return session.get(url, timeout=2).ok
    except requests.RequestException:
        return False
