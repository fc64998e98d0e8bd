"""Attacks on every way of verifying a webhook.

    for example in EXAMPLES:
        for name, attack in ATTACKS.items():
            forged = attack(example, body, now)  # None where it does not apply; never verifies

The body must not be empty, and must be text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from core.webhooks.request import Request
from tests.support.verifiers import Example, with_field

Attack = Callable[[Example, bytes, datetime], Request | None]

_HEX = re.compile(r"[0-9a-f]{64}")


def _on_proof(change: Callable[[str], str | None]) -> Attack:
    def attack(example: Example, body: bytes, now: datetime) -> Request:
        request = example.authentic(body, now)
        return example.with_proof(request, change(example.proof(request)))

    return attack


def _wrong_case(example: Example, body: bytes, now: datetime) -> Request | None:
    """Its letters are in the other case, which says nothing where it is all hex."""
    request = example.authentic(body, now)
    proof = example.proof(request)
    if _HEX.fullmatch(proof):
        return None
    return example.with_proof(request, proof.swapcase())


def _other_algorithm(example: Example, body: bytes, now: datetime) -> Request:
    request = example.authentic(body, now)
    return example.with_proof(request, example.otherwise(example, request))


def _changed_body(example: Example, body: bytes, now: datetime) -> Request | None:
    """One byte of the signed body is changed."""
    if not example.signs_body:
        return None
    request = example.authentic(body, now)
    if example.place[0] == "body":
        text = json.loads(request.body)["Message"]
        return replace(request, body=with_field(request.body, "Message", f"{text[:-1]}~"))
    return replace(request, body=request.body[:-1] + bytes([request.body[-1] ^ 1]))


def _sent(**difference: float) -> Attack:
    """Signed by the sender itself, at another time."""

    def attack(example: Example, body: bytes, now: datetime) -> Request | None:
        return example.authentic(body, now + timedelta(**difference)) if example.timed else None

    return attack


def _moved_timestamp(example: Example, body: bytes, now: datetime) -> Request | None:
    """An old request with a new timestamp."""
    if not example.timestamp_header:
        return None
    old = example.authentic(body, now - timedelta(hours=2))
    stamp = str(int(now.timestamp()))
    return replace(old, headers={**old.headers, example.timestamp_header: stamp})


def _joined(change: Callable[[str], str]) -> Attack:
    """Several proofs in a header that may hold one."""

    def attack(example: Example, body: bytes, now: datetime) -> Request | None:
        if example.place[0] != "header" or example.several:
            return None
        request = example.authentic(body, now)
        return example.with_proof(request, change(example.proof(request)))

    return attack


ATTACKS: dict[str, Attack] = {
    "no header": _on_proof(lambda proof: None),
    "an empty header": _on_proof(lambda proof: ""),
    "wrong secret": lambda e, body, now: e.signed(body, now, (e.wrong, e.wrong)),
    "truncated": _on_proof(lambda proof: proof[:-1]),
    "cut to nothing but its prefix": _on_proof(lambda proof: proof[:7]),
    "one byte more": _on_proof(lambda proof: f"{proof}0"),
    "other algorithm": _other_algorithm,
    "body changed by one byte": _changed_body,
    "stale": _sent(hours=-1, minutes=-1),
    "future": _sent(hours=1),
    "stale, with a new timestamp": _moved_timestamp,
    "header repeated": _joined(lambda proof: f"{proof},{proof}"),
    "header repeated, with a blank": _joined(lambda proof: f"{proof}, {proof}"),
    "header repeated, first a forged one": _joined(lambda proof: f"{proof[:-1]}0,{proof}"),
    "header repeated, then a forged one": _joined(lambda proof: f"{proof},{proof[:-1]}0"),
    "blanks around it": _joined(lambda proof: f" {proof} "),
    "wrong case": _wrong_case,
    "non-ASCII": _on_proof(lambda proof: f"{proof[:-1]}é"),
    "a digit that is not ASCII": _on_proof(lambda proof: f"{proof}\N{FULLWIDTH DIGIT ONE}"),
    "a lone surrogate": _on_proof(lambda proof: f"{proof}\udc80"),
    "huge": _on_proof(lambda proof: proof + "a" * 100_000),
}
"""Each attack by name: a request that must not verify, or None where it does not apply."""
