"""HMAC signatures over the raw bytes: one engine, with each sender's way of signing as data.

Sources: "Validating webhook deliveries" (GitHub), "Verifying requests from Slack", "Verifying
webhook signatures" (PagerDuty V3), "Configure webhook notifications" (Grafana), "Integration
platform: webhooks" (Sentry).
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import Field, model_validator

from core.domain.durations import Duration
from core.webhooks.request import Request
from core.webhooks.verifiers import checks
from core.webhooks.verifiers.base import NotVerified, SharedSecret
from core.webhooks.verifiers.checks import HeaderName

Algorithm = Literal["sha256", "sha512", "sha1"]
Encoding = Literal["hex", "base64"]

_BODY: Final = "{body}"
_TIMESTAMP: Final = "{timestamp}"
_FIELD: Final = re.compile(r"(\{body\}|\{timestamp\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a sender signs: `signed` is what is signed, the rest is where and how it is written.

    With `several`, the header is a list and one valid signature is enough. Without a
    `timestamp_header` a request does not expire: only deduplication stops a replay.
    """

    header: str
    prefix: str = ""
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    signed: str = _BODY
    timestamp_header: str | None = None
    tolerance: timedelta = checks.TOLERANCE
    several: bool = False


PRESETS: Final = {
    "github": Recipe(header="x-hub-signature-256", prefix="sha256="),
    "slack": Recipe(
        header="x-slack-signature",
        prefix="v0=",
        signed="v0:{timestamp}:{body}",
        timestamp_header="x-slack-request-timestamp",
    ),
    "pagerduty": Recipe(header="x-pagerduty-signature", prefix="v1=", several=True),
    # Sentry does not sign Sentry-Hook-Timestamp, so it proves nothing.
    "sentry": Recipe(header="sentry-hook-signature"),
}


class _Signature(SharedSecret):
    """A scheme that signs by a recipe."""

    @property
    def dates(self) -> bool:
        return self.recipe().timestamp_header is not None

    @property
    def covers_headers(self) -> bool:
        return False

    def recipe(self) -> Recipe:
        raise NotImplementedError

    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        recipe = self.recipe()
        value = checks.header(request, recipe.header)
        stamp, sent = "", None
        if recipe.timestamp_header:
            stamp = checks.header(request, recipe.timestamp_header)
            sent = checks.seconds(stamp)
        expected = [_signature(recipe, key, stamp, request.body) for key in keys]
        checks.require_match(_candidates(recipe, value, len(expected[0])), expected)
        # Checked last, so that only the sender's own requests are called `stale` or `future`.
        if sent is not None:
            checks.require_fresh(sent, now, past=recipe.tolerance, future=recipe.tolerance)

    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        recipe = self.recipe()
        stamp = str(int(now.timestamp()))
        live = keys if recipe.several else keys[:1]
        signatures = [_signature(recipe, key, stamp, request.body).decode() for key in live]
        headers = {recipe.header: ",".join(signatures)}
        if recipe.timestamp_header:
            headers[recipe.timestamp_header] = stamp
        return replace(request, headers={**request.headers, **headers})


def _candidates(recipe: Recipe, value: str, length: int) -> list[bytes]:
    """The signatures in a header that have the recipe's form, in the one spelling that is
    compared."""
    values = [value]
    if recipe.several:
        values = [each.strip() for each in value.split(",")]
    if len(values) > checks.MAX_SIGNATURES:
        raise NotVerified("malformed")
    spelt = [_spelt(recipe, each) for each in values]
    candidates = [each.encode() for each in spelt if each and len(each) == length]
    if not candidates:
        raise NotVerified("malformed")
    return candidates


def _spelt(recipe: Recipe, value: str) -> str | None:
    """A signature as we would write it: its hex in lower case, and no blank after the prefix."""
    if not value.startswith(recipe.prefix):
        return None
    digest = value.removeprefix(recipe.prefix)
    if recipe.prefix:
        digest = digest.lstrip(" ")
    return recipe.prefix + (digest.lower() if recipe.encoding == "hex" else digest)


def _signature(recipe: Recipe, key: bytes, stamp: str, body: bytes) -> bytes:
    """The expected value of the header, with its prefix."""
    mac = hmac.new(key, digestmod=recipe.algorithm)
    for part in _FIELD.split(recipe.signed):
        mac.update(body if part == _BODY else (stamp if part == _TIMESTAMP else part).encode())
    digest = mac.digest()
    text = base64.b64encode(digest) if recipe.encoding == "base64" else digest.hex().encode()
    return recipe.prefix.encode() + text


class PresetVerifier(_Signature):
    """The signature of the sender with this name."""

    scheme: Literal["github", "slack", "pagerduty", "sentry"]

    def recipe(self) -> Recipe:
        return PRESETS[self.scheme]


class GrafanaVerifier(_Signature):
    """The signature of a Grafana contact point."""

    scheme: Literal["grafana"]
    timestamp_header: HeaderName | None = Field(
        None, description="The timestamp header, if one is configured in Grafana."
    )
    tolerance: Duration = checks.TOLERANCE

    @property
    def could_date(self) -> bool:
        return not self.timestamp_header

    def recipe(self) -> Recipe:
        plain = Recipe(header="x-grafana-alerting-signature")
        if not self.timestamp_header:
            return plain
        return replace(
            plain,
            signed="{timestamp}:{body}",
            timestamp_header=self.timestamp_header,
            tolerance=self.tolerance,
        )


class HmacVerifier(_Signature):
    """The signature of any sender that signs the body, or the body and a time, by HMAC."""

    scheme: Literal["hmac"]
    header: HeaderName
    algorithm: Algorithm = "sha256"
    encoding: Encoding = Field("hex", description="Hex in any case, base64 padded.")
    prefix: str = Field(
        "", max_length=50, pattern=r"^[ -~]*$", description="Text before the signature."
    )
    timestamp_header: HeaderName | None = Field(
        None, description="A header with the time of signing, in seconds since 1970."
    )
    tolerance: Duration = checks.TOLERANCE
    signed: str = Field(
        _BODY,
        max_length=200,
        description="The signed text; `{body}` and `{timestamp}` stand for the request's own.",
        examples=["{timestamp}.{body}"],
    )

    @property
    def could_date(self) -> bool:
        return not self.timestamp_header

    @model_validator(mode="after")
    def _check(self) -> HmacVerifier:
        fields = sorted(_FIELD.findall(self.signed))
        if any(brace in _FIELD.sub("", self.signed) for brace in "{}"):
            raise ValueError("signed: its only fields are {body} and {timestamp}")
        if self.timestamp_header and fields != [_BODY, _TIMESTAMP]:
            raise ValueError("signed: with a timestamp_header, it has {timestamp} and {body} once")
        if not self.timestamp_header and fields != [_BODY]:
            raise ValueError(
                "signed: without a timestamp_header, it has {body} once and nothing else"
            )
        if self.header == self.timestamp_header:
            raise ValueError("header and timestamp_header are the same")
        return self

    def recipe(self) -> Recipe:
        return Recipe(
            header=self.header,
            prefix=self.prefix,
            algorithm=self.algorithm,
            encoding=self.encoding,
            signed=self.signed,
            timestamp_header=self.timestamp_header,
            tolerance=self.tolerance,
        )
