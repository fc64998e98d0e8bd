"""One example of every way to verify a webhook, as its sender uses it, for tests and attacks.

for example in EXAMPLES:
    request = example.authentic(body, now)            # verifies
    for name, attack in ATTACKS.items():
        forged = attack(example, body, now)           # None where it does not apply; never verifies
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from core.webhooks.request import Request
from core.webhooks.verifiers.any_verifier import AnyVerifier
from core.webhooks.verifiers.base import Signer, Verifier
from core.webhooks.verifiers.sns import SnsVerifier
from tests.support import signing

REFERENCES = ("env:HOOK_SECRET", "env:HOOK_SECRET_NEXT")
ANY: TypeAdapter[Verifier] = TypeAdapter(AnyVerifier)


@dataclass(frozen=True, kw_only=True)
class Example:
    """An endpoint's verifier, with its sender's secrets.

    `section` is the verifier as in `webhooks.yaml`. `place` is where the proof is: in a header, a
    query parameter or a field of the JSON body. `otherwise` makes the proof with the right secret
    and another algorithm, version or scheme. With `several`, the proof is a list of which one has
    to be valid.
    """

    name: str
    section: dict[str, Any]
    secrets: tuple[str, ...] = ("a Secret of the sender's", "the neXt one")
    wrong: str = "a secret of somebody else"
    place: tuple[Literal["header", "query", "body"], str]
    otherwise: Callable[[Example, Request], str]
    signs_body: bool = False
    timed: bool = False
    timestamp_header: str | None = None
    several: bool = False

    @property
    def verifier(self) -> Verifier:
        section = dict(self.section)
        if self.secrets:
            section["secrets"] = REFERENCES[: len(self.secrets)]
        verifier = ANY.validate_python(section)
        if isinstance(verifier, SnsVerifier):
            return verifier.fetching(lambda url: signing.certificate())
        return verifier

    def authentic(self, body: bytes, now: datetime) -> Request:
        """The sender's request with this body, or with one that holds it, proven with the first
        secret only."""
        return self.signed(body, now, self.secrets[:1])

    def signed(self, body: bytes, now: datetime, secrets: tuple[str, ...]) -> Request:
        """As `authentic`, with these secrets, which may be wrong ones."""
        plain = Request(
            method="POST",
            path=f"/hooks/{self.name}",
            headers={"content-type": "application/json"},
            body=body,
        )
        if self.name == "sns":
            owner = "somebody else" if secrets else "AWS"
            message = signing.sns_message(body.decode(errors="replace"), now)
            return replace(plain, body=signing.sns_signed(message, owner=owner))
        if self.name == "routing-key-body":
            return self.with_proof(plain, secrets[0])
        verifier = self.verifier
        assert isinstance(verifier, Signer)
        return verifier.sign(plain, secrets, now)

    def proof(self, request: Request) -> str:
        kind, name = self.place
        if kind == "body":
            return str(json.loads(request.body)[name])
        return (request.headers if kind == "header" else request.query)[name]

    def with_proof(self, request: Request, proof: str | None) -> Request:
        """The request with another proof, or with none."""
        kind, name = self.place
        if kind == "body":
            return replace(request, body=with_field(request.body, name, proof))
        values = dict(request.headers if kind == "header" else request.query)
        values.pop(name, None)
        if proof is not None:
            values[name] = proof
        return (
            replace(request, headers=values) if kind == "header" else replace(request, query=values)
        )


def with_field(body: bytes, name: str, value: str | None) -> bytes:
    try:
        result = json.loads(body)
    except ValueError:
        result = None
    whole = result if isinstance(result, dict) else {"text": body.decode(errors="replace")}
    rest = {k: v for k, v in whole.items() if k != name}
    return json.dumps(rest if value is None else {**rest, name: value}).encode()


def _mac(example: Example, text: bytes, algorithm: str) -> hmac.HMAC:
    return hmac.new(example.secrets[0].encode(), text, algorithm)


def _stamped(example: Example, request: Request, between: bytes) -> bytes:
    assert example.timestamp_header
    return request.headers[example.timestamp_header].encode() + between + request.body


WHSEC = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
WHSEC_NEXT = "whsec_" + base64.b64encode(b"the secret that follows it").decode()
WHSEC_WRONG = "whsec_" + base64.b64encode(b"a secret of somebody else!").decode()

EXAMPLES: tuple[Example, ...] = (
    Example(
        name="github",
        section={"scheme": "github"},
        place=("header", "x-hub-signature-256"),
        otherwise=lambda e, r: f"sha1={_mac(e, r.body, 'sha1').hexdigest()}",
        signs_body=True,
    ),
    Example(
        name="slack",
        section={"scheme": "slack"},
        place=("header", "x-slack-signature"),
        otherwise=lambda e, r: e.proof(r).replace("v0=", "v2="),
        signs_body=True,
        timed=True,
        timestamp_header="x-slack-request-timestamp",
    ),
    Example(
        name="pagerduty",
        section={"scheme": "pagerduty"},
        place=("header", "x-pagerduty-signature"),
        otherwise=lambda e, r: e.proof(r).replace("v1=", "v2="),
        signs_body=True,
        several=True,
    ),
    Example(
        name="sentry",
        section={"scheme": "sentry"},
        place=("header", "sentry-hook-signature"),
        otherwise=lambda e, r: _mac(e, r.body, "sha1").hexdigest(),
        signs_body=True,
    ),
    Example(
        name="grafana",
        section={"scheme": "grafana"},
        place=("header", "x-grafana-alerting-signature"),
        otherwise=lambda e, r: _mac(e, r.body, "sha512").hexdigest(),
        signs_body=True,
    ),
    Example(
        name="grafana-timestamp",
        section={"scheme": "grafana", "timestamp_header": "X-Grafana-Alerting-Timestamp"},
        place=("header", "x-grafana-alerting-signature"),
        otherwise=lambda e, r: _mac(e, r.body, "sha256").hexdigest(),
        signs_body=True,
        timed=True,
        timestamp_header="x-grafana-alerting-timestamp",
    ),
    Example(
        name="hmac",
        section={
            "scheme": "hmac",
            "header": "X-Signature",
            "algorithm": "sha512",
            "encoding": "base64",
            "prefix": "HMAC ",
            "timestamp_header": "X-Time",
            "signed": "{timestamp}.{body}",
            "tolerance": "10m",
        },
        place=("header", "x-signature"),
        otherwise=lambda e, r: (
            "HMAC " + base64.b64encode(_mac(e, _stamped(e, r, b"."), "sha256").digest()).decode()
        ),
        signs_body=True,
        timed=True,
        timestamp_header="x-time",
    ),
    Example(
        name="standard-webhooks",
        section={"scheme": "standard-webhooks"},
        secrets=(WHSEC, WHSEC_NEXT),
        wrong=WHSEC_WRONG,
        place=("header", "webhook-signature"),
        otherwise=lambda e, r: e.proof(r).replace("v1,", "v1a,"),
        signs_body=True,
        timed=True,
        timestamp_header="webhook-timestamp",
        several=True,
    ),
    Example(
        name="bearer",
        section={"scheme": "bearer"},
        secrets=("a-Token~1/x+y=", "the-neXt-token"),
        wrong="another-Token",
        place=("header", "authorization"),
        otherwise=lambda e, r: e.proof(r).replace("Bearer", "Basic"),
    ),
    Example(
        name="bearer-own-header",
        section={"scheme": "bearer", "header": "X-Api-Key"},
        secrets=("a-Token~1/x+y=", "the-neXt-token"),
        wrong="another-Token",
        place=("header", "x-api-key"),
        otherwise=lambda e, r: f"Bearer {e.proof(r)}",
    ),
    Example(
        name="basic",
        section={"scheme": "basic"},
        secrets=("Jörg:pass:word", "Jörg:neXt"),
        wrong="Jörg:other",
        place=("header", "authorization"),
        otherwise=lambda e, r: e.proof(r).replace("Basic", "Bearer"),
    ),
    Example(
        name="event-grid",
        section={"scheme": "event-grid", "header": "X-Hook-Secret"},
        secrets=("an-Event-Grid-secret", "the-neXt-one"),
        wrong="another-Secret",
        place=("header", "x-hook-secret"),
        otherwise=lambda e, r: f"SharedAccessSignature {e.proof(r)}",
    ),
    Example(
        name="event-grid-parameter",
        section={"scheme": "event-grid", "parameter": "code"},
        secrets=("an-Event-Grid-secret", "the-neXt-one"),
        wrong="another-Secret",
        place=("query", "code"),
        otherwise=lambda e, r: f"SharedAccessSignature {e.proof(r)}",
    ),
    Example(
        name="routing-key",
        section={"scheme": "routing-key"},
        secrets=("R0uting-Key-of-32-characters-or-so", "R0uting-Key-that-f0llows"),
        wrong="R0uting-Key-of-somebody-else",
        place=("header", "x-routing-key"),
        otherwise=lambda e, r: f"Token token={e.proof(r)}",
    ),
    Example(
        name="routing-key-body",
        section={"scheme": "routing-key"},
        secrets=("R0uting-Key-of-32-characters-or-so", "R0uting-Key-that-f0llows"),
        wrong="R0uting-Key-of-somebody-else",
        place=("body", "routing_key"),
        otherwise=lambda e, r: hashlib.sha256(e.proof(r).encode()).hexdigest(),
    ),
    Example(
        name="sns",
        section={"scheme": "sns", "topic_arns": [signing.TOPIC]},
        secrets=(),
        place=("body", "Signature"),
        otherwise=lambda e, r: _by_sha1(r),
        signs_body=True,
        timed=True,
    ),
)
"""Every scheme that verifies something, in each of its variants."""

OPEN = Example(
    name="none",
    section={"scheme": "none"},
    secrets=(),
    place=("header", "authorization"),
    otherwise=lambda e, r: "",
)
"""The scheme that verifies nothing."""


def _by_sha1(request: Request) -> str:
    message = json.loads(request.body)
    return str(json.loads(signing.sns_signed(message, version="1"))["Signature"])
