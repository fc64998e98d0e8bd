"""Secrets by reference: fetched on first use, cached for a while, never shown.

Concurrent callers share one fetch, and the limits below bound how often a store is asked, whatever
unverified requests arrive. If a store is unavailable, its last value is used for another hour. A
deleted secret is no longer used as soon as its store says so. Editors, `echo` and heredocs end what
they write with a line break, which no secret of a sender has: it is removed, whatever the store.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.domain.secret_reference import SecretReference, parse_reference
from core.errors import SecretUnavailable, SettingsError
from core.ports.secrets import SecretStore

FETCH_SECONDS: Final = 10.0
"""Timeout of a fetch."""
GRACE_SECONDS: Final = 3600.0
"""How long an expired value is used while its store is unavailable."""
PAUSE_SECONDS: Final = 5.0
"""Time between a failed fetch and the next one."""
RECHECK_SECONDS: Final = 30.0
"""Age of the last fetch from which a wrong signature causes another."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """One secret: its last value, and why the last fetch failed, if it did."""

    reference: SecretReference
    value: str = field(default="", repr=False)
    fetched: float = -math.inf
    failure: SettingsError | SecretUnavailable | None = None
    failed: float = -math.inf
    fetching: asyncio.Task[None] | None = field(default=None, repr=False)


class Secrets:
    """The secrets of one process. `makers` make each kind of store on first use; `ttl` is seconds.

    The clock is the wall clock: a monotonic one may stand still while a function's process is
    frozen between invocations.
    """

    def __init__(
        self,
        makers: Mapping[str, Callable[[], SecretStore]],
        *,
        ttl: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._makers = makers
        self._ttl = ttl
        self._clock = clock
        self._stores: dict[str, SecretStore] = {}
        self._secrets: dict[str, _Entry] = {}

    async def get(self, reference: str) -> str:
        """The secret's value. Raises `SecretUnavailable`; `SettingsError` for an invalid reference
        and a secret that does not exist, which the operator has to fix."""
        [value] = await self.get_all([reference])
        return value

    async def get_all(self, references: Sequence[str]) -> list[str]:
        """The values that are available, in order, fetched concurrently.

        One of two may be missing: while a secret is rotated, the other still verifies senders.
        Raises as `get` does if none is available.
        """
        secrets = [self._entry(reference) for reference in references]
        await self._fetch_all([entry for entry in secrets if self._is_due(entry)])
        usable = [entry for entry in secrets if self._is_usable(entry)]
        if secrets and not usable:
            raise _failure(secrets[0])
        return [entry.value for entry in usable]

    async def newer(self, references: Sequence[str], tried: Sequence[str]) -> list[str] | None:
        """The values now, if they differ from those `tried` in vain; else None.

        A signature may be wrong because its secret was rotated a moment ago, so each value older
        than `RECHECK_SECONDS` is fetched again. Raises as `get` does if any of them is unavailable:
        then the signature may be right.
        """
        secrets = [self._entry(reference) for reference in references]
        await self._fetch_all([entry for entry in secrets if not self._is_recent(entry)])
        for entry in secrets:
            if isinstance(entry.failure, SecretUnavailable):
                raise _failure(entry)
        values = [entry.value for entry in secrets if self._is_usable(entry)]
        return None if values == list(tried) else values

    def _entry(self, reference: str) -> _Entry:
        if reference not in self._secrets:
            try:
                self._secrets[reference] = _Entry(parse_reference(reference))
            except ValueError as error:
                raise SettingsError(
                    f"a secret cannot be found: {error}", fix="correct the reference"
                ) from None
        return self._secrets[reference]

    def _is_due(self, entry: _Entry) -> bool:
        return self._age(entry.fetched) >= self._ttl and self._age(entry.failed) >= PAUSE_SECONDS

    def _is_usable(self, entry: _Entry) -> bool:
        return self._age(entry.fetched) < self._ttl + GRACE_SECONDS

    def _is_recent(self, entry: _Entry) -> bool:
        return self._age(max(entry.fetched, entry.failed)) < RECHECK_SECONDS

    def _age(self, then: float) -> float:
        """Seconds since then; infinite if the clock was set back meanwhile."""
        passed = self._clock() - then
        return passed if passed >= 0 else math.inf

    async def _fetch_all(self, secrets: Sequence[_Entry]) -> None:
        await asyncio.gather(*map(self._fetch_once, secrets))

    async def _fetch_once(self, entry: _Entry) -> None:
        """Concurrent callers share one fetch; each may be cancelled on its own."""
        if entry.fetching is None or entry.fetching.done():
            entry.fetching = asyncio.create_task(self._fetch(entry))
        await asyncio.shield(entry.fetching)

    async def _fetch(self, entry: _Entry) -> None:
        asked = self._clock()
        try:
            entry.value = await self._ask(entry.reference)
            entry.fetched, entry.failure = asked, None
        except SettingsError as error:
            entry.value, entry.fetched = "", -math.inf
            entry.failure, entry.failed = error, self._clock()
            log.warning("%s", error)
        except SecretUnavailable as error:
            entry.failure, entry.failed = error, self._clock()
            log.warning("%s%s", error, "; the last value is used" if self._is_usable(entry) else "")

    async def _ask(self, reference: SecretReference) -> str:
        try:
            if reference.store not in self._stores:
                self._stores[reference.store] = self._makers[reference.store]()
            async with asyncio.timeout(FETCH_SECONDS):
                value = await self._stores[reference.store].read(reference)
        except TimeoutError:
            raise SecretUnavailable(
                f"the store of the secret {reference} did not answer within {FETCH_SECONDS:g} s"
            ) from None
        except ModuleNotFoundError as error:
            from core.extras import install_command

            raise SettingsError(
                f"the secret {reference} cannot be read: {error.name} is not installed",
                fix=install_command(error),
            ) from error
        value = value.rstrip("\r\n")
        if not value.strip():
            raise SettingsError(f"the secret {reference} is empty", fix="give it a value")
        if not _is_text(value):
            raise SettingsError(
                f"the secret {reference} is not UTF-8", fix="keep it as text, e.g. in base64"
            )
        return value


def _is_text(value: str) -> bool:
    """False for lone surrogates: they cannot be encoded, so they cannot sign."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _failure(entry: _Entry) -> SettingsError | SecretUnavailable:
    """Why it is unavailable, as a new error: one that is raised repeatedly would accumulate the
    frames of every request."""
    failure = entry.failure or SecretUnavailable(f"the secret {entry.reference} was not fetched")
    return type(failure)(failure.message, fix=failure.fix)
