"""Secrets by reference: fetched when they are first needed, kept for a while, never shown.

A store is asked once for all who wait, and no more often than the limits below allow, whatever
strangers send. A store that is away does not stop what was running: the value from before serves on
for an hour. A secret that was taken away is gone as soon as its store says so.
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
"""How long a store may take to answer."""
GRACE_SECONDS: Final = 3600.0
"""How much longer than its time a value serves while its store is away."""
PAUSE_SECONDS: Final = 5.0
"""How long a store that failed is left alone."""
FRESH_SECONDS: Final = 30.0
"""How old what is known of a secret must be before a wrong signature makes us ask again."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """What is known of one secret: its last value, and why the last attempt failed if it did."""

    reference: SecretReference
    value: str = field(default="", repr=False)
    fetched: float = -math.inf
    failure: SettingsError | SecretUnavailable | None = None
    failed: float = -math.inf
    fetching: asyncio.Task[None] | None = field(default=None, repr=False)


class Secrets:
    """The secrets of one process: `makers` makes each kind's store when it is first asked.

    `ttl` is how long a value is used before its store is asked again, in seconds. The clock is the
    wall's: a function's process is frozen between invocations, and a monotonic clock may stand
    still then.
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
        self._secrets: dict[str, _Known] = {}

    async def get(self, reference: str) -> str:
        """The secret's value. Raises `SecretUnavailable`, or `SettingsError` for a reference that
        is none and a secret that is not there: the operator's fault, and no sender's."""
        [value] = await self.get_all([reference])
        return value

    async def get_all(self, references: Sequence[str]) -> list[str]:
        """The values of those that can be had, in their order, fetched at the same time.

        One of two may be missing: while a secret is exchanged, the other still proves a sender.
        Raises as `get` does when there is none at all.
        """
        secrets = [self._known(reference) for reference in references]
        await self._fetch_all([known for known in secrets if self._is_due(known)])
        held = [known for known in secrets if self._is_held(known)]
        if secrets and not held:
            raise _failure(secrets[0])
        return [known.value for known in held]

    async def fresher(self, references: Sequence[str], tried: Sequence[str]) -> list[str] | None:
        """The values after those that were `tried` in vain, or None when there are no others.

        A signature may be wrong because a secret was exchanged a moment ago, so each store is asked
        again, but not for what is younger than `FRESH_SECONDS`. Raises as `get` does when any of
        them cannot be had: then nobody can say that the signature is wrong.
        """
        secrets = [self._known(reference) for reference in references]
        await self._fetch_all([known for known in secrets if not self._is_fresh(known)])
        for known in secrets:
            if isinstance(known.failure, SecretUnavailable):
                raise _failure(known)
        values = [known.value for known in secrets if self._is_held(known)]
        return None if values == list(tried) else values

    def _known(self, reference: str) -> _Known:
        if reference not in self._secrets:
            try:
                self._secrets[reference] = _Known(parse_reference(reference))
            except ValueError as error:
                raise SettingsError(
                    f"a secret cannot be found: {error}", fix="see docs/secrets.md"
                ) from None
        return self._secrets[reference]

    def _is_due(self, known: _Known) -> bool:
        return self._age(known.fetched) >= self._ttl and self._age(known.failed) >= PAUSE_SECONDS

    def _is_held(self, known: _Known) -> bool:
        return self._age(known.fetched) < self._ttl + GRACE_SECONDS

    def _is_fresh(self, known: _Known) -> bool:
        return self._age(max(known.fetched, known.failed)) < FRESH_SECONDS

    def _age(self, then: float) -> float:
        """Seconds since; endless when the clock was put back meanwhile."""
        passed = self._clock() - then
        return passed if passed >= 0 else math.inf

    async def _fetch_all(self, secrets: Sequence[_Known]) -> None:
        await asyncio.gather(*map(self._fetch_once, secrets))

    async def _fetch_once(self, known: _Known) -> None:
        """Whoever comes while a fetch is on its way waits for that one, and may leave it."""
        if known.fetching is None or known.fetching.done():
            known.fetching = asyncio.create_task(self._fetch(known))
        await asyncio.shield(known.fetching)

    async def _fetch(self, known: _Known) -> None:
        began = self._clock()
        try:
            known.value = await self._ask(known.reference)
            known.fetched, known.failure = began, None
        except SettingsError as error:
            known.value, known.fetched = "", -math.inf
            known.failure, known.failed = error, self._clock()
            log.warning("%s", error)
        except SecretUnavailable as error:
            known.failure, known.failed = error, self._clock()
            log.warning(
                "%s%s", error, "; the value from before is used" if self._is_held(known) else ""
            )

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
        except ImportError as error:
            raise SettingsError(
                f"the secret {reference} is out of reach: {error.name} is not installed",
                fix=f"install tidegate[{reference.store}], or keep the secret elsewhere",
            ) from error
        if not value.strip():
            raise SettingsError(f"the secret {reference} is empty", fix="give it a value")
        if not _is_text(value):
            raise SettingsError(
                f"the secret {reference} is not UTF-8", fix="keep it as text, e.g. in base64"
            )
        return value


def _is_text(value: str) -> bool:
    """False for lone surrogates: nothing can be signed with them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _failure(known: _Known) -> SettingsError | SecretUnavailable:
    """Why it cannot be had, as an error of its own: one that is raised again and again would carry
    the frames of every request along."""
    failure = known.failure or SecretUnavailable(f"the secret {known.reference} was not fetched")
    return type(failure)(failure.message, fix=failure.fix)
