"""Any request is verified or not, without other errors; whatever a sender signs is verified."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified, Reason
from tests.support import signing
from tests.support.mangled import JSON_VALUES, as_bytes
from tests.support.verifiers import EXAMPLES, Example

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
ANYBODY = st.sampled_from(EXAMPLES)

VALUES = (
    st.text(st.characters(), max_size=80)
    | st.text(st.characters(codec="ascii"), max_size=80)
    | st.sampled_from([STAMP, "sha256=", "v0=" + "0" * 64, "v1=,v1=", "Bearer ", "Basic Og=="])
    | st.builds("{}{}".format, st.sampled_from(["sha256=", "v0=", "v1,", "Basic "]), st.text())
)
MESSAGES = st.dictionaries(
    st.sampled_from([*signing.sns_message("", NOW), "Signature", "SignatureVersion", "Subject"]),
    st.sampled_from(["Notification", signing.TOPIC, signing.CERTIFICATE_URL, "1", "AAAA"])
    | JSON_VALUES,
)
BODIES = (
    st.binary()
    | JSON_VALUES.map(as_bytes)
    | MESSAGES.map(as_bytes)
    | st.fixed_dictionaries({"routing_key": JSON_VALUES}).map(as_bytes)
)


def outcome(example: Example, request: Request) -> Reason | None:
    try:
        asyncio.run(example.verifier.verify(request, example.secrets, NOW))
    except NotVerified as failure:
        return failure.reason
    return None


@given(example=ANYBODY, data=st.data())
def test_an_unverified_request_is_refused_and_nothing_breaks(
    example: Example, data: st.DataObject
) -> None:
    names = [example.place[1], example.timestamp_header or "x", "webhook-id", "content-type"]
    request = Request(
        method="POST",
        path="/hooks/x",
        headers=data.draw(st.dictionaries(st.sampled_from(names), VALUES)),
        query=data.draw(st.dictionaries(st.sampled_from(names), VALUES)),
        body=data.draw(BODIES),
    )
    assert outcome(example, request) in get_args(Reason)


@given(example=ANYBODY, changes=st.dictionaries(st.text(max_size=10), JSON_VALUES), data=st.data())
def test_a_genuine_request_with_parts_replaced_breaks_nothing(
    example: Example, changes: dict[str, Any], data: st.DataObject
) -> None:
    request = example.authentic(json.dumps(changes).encode(), NOW)
    name = data.draw(st.sampled_from(sorted(request.headers)))
    value = data.draw(VALUES)
    changed = Request(
        method="POST",
        path="/hooks/x",
        headers={**request.headers, name: value},
        query=request.query,
        body=data.draw(st.just(request.body) | BODIES),
    )
    assert outcome(example, changed) in (None, *get_args(Reason))


@given(example=ANYBODY, body=st.binary() | st.text().map(str.encode))
def test_what_a_sender_signs_is_verified(example: Example, body: bytes) -> None:
    if example.name == "standard-webhooks":  # its library signs text
        body = body.decode(errors="replace").encode()
    assert outcome(example, example.authentic(body, NOW)) is None


@given(
    secret=st.text(min_size=1).filter(lambda text: bool(text.strip())),
    body=st.binary(),
)
def test_any_text_may_be_a_secret(secret: str, body: bytes) -> None:
    [github] = [example for example in EXAMPLES if example.name == "github"]
    signed = github.signed(body, NOW, (secret,))
    asyncio.run(github.verifier.verify(signed, (secret,), NOW))


def test_no_library_is_loaded_before_it_is_needed() -> None:
    code = (
        "import core.webhooks.verifiers.any_verifier, json, sys; print(json.dumps([*sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(done.stdout))
    assert loaded & {"standardwebhooks", "cryptography", "urllib.request", "http.client"} == set()
