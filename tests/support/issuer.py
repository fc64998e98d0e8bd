"""An OpenID Connect issuer on this machine, and what attackers make of its tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from core.app.identity.caller import Reason
from tests.support.web import Quiet

AUDIENCE: Final = "tidegate-api"
Key = RSAKey | ECKey


@cache
def key(kid: str, kind: str = "RSA", size: int = 2048) -> Key:
    """A key of that ID; the same in every test, because making one takes a while."""
    if kind == "EC":
        return ECKey.generate_key("P-256", {"kid": kid})
    return RSAKey.generate_key(size, {"kid": kid})


@dataclass
class SignIns:
    """How people sign in at the issuer, by the authorization code flow: whoever comes is signed in
    as whom the `claims` say, changed by what a test sets, or sent back with an `error`.

    It is as strict as RFC 6749 and 7636 allow: a code is for one client and one address, once, and
    for whoever has the verifier. `asked` are the queries that browsers came with, `refused` why
    codes were not taken.
    """

    client_id: str = "tidegate-console"
    secret: str | None = "a secret of the console's"
    claims: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def arrive(self, query: str) -> str:
        """Where a browser is sent back to."""
        asked = dict(parse_qsl(query))
        self.asked.append(asked)
        code = f"code-{len(self.asked)}"
        self._codes[code] = asked
        back = {"error": self.error} if self.error else {"code": code}
        return f"{asked['redirect_uri']}?{urlencode({**back, 'state': asked['state']})}"

    def redeem(self, authorization: str, body: str) -> tuple[int, dict[str, str]]:
        """The nonce that a code was asked for with, or an error."""
        sent = dict(parse_qsl(body))
        why = self._problem(authorization, sent)
        if why:
            self.refused.append(why)
            client = why == "client"
            return (401 if client else 400), {"error": f"invalid_{'client' if client else 'grant'}"}
        return 200, {"nonce": self._codes.pop(sent["code"])["nonce"]}

    def _problem(self, authorization: str, sent: dict[str, str]) -> str | None:
        pair = f"{quote(self.client_id)}:{self.secret}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
        if self.secret and authorization != basic:
            return "client"
        asked = self._codes.get(sent.get("code", ""))
        if asked is None or sent.get("grant_type") != "authorization_code":
            return "code"
        if asked["client_id"] != self.client_id or asked["redirect_uri"] != sent["redirect_uri"]:
            return "address"
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (asked["code_challenge_method"], asked["code_challenge"]) != ("S256", made):
            return "verifier"
        return None


@dataclass
class Issuer:
    """It publishes the public keys in `published`. It counts how often it was `asked` for them, and
    how often it `described` itself, which it does while it is `answering`. It answers `status`, or
    for the keys a `redirect`, and nothing at all once it is stopped."""

    port: int = 0
    published: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    described: int = 0
    answering: threading.Event = field(default_factory=threading.Event)
    status: int = 200
    about: dict[str, Any] = field(default_factory=dict)
    redirect: str | None = None
    sign_ins: SignIns = field(default_factory=SignIns)
    stop: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tenant"

    def publish(self, *keys: Key) -> None:
        """From now on these are its keys."""
        self.published = [each.as_dict(private=False) for each in keys]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a token of its claims, unless it is changed; None leaves a claim out."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "0b1c",
            "email": "ana@example.com",
            "email_verified": True,
            "roles": ["responder"],
            "iat": now,
            "exp": now + 300,
        }
        return {name: value for name, value in {**usual, **changed}.items() if value is not None}

    def token(
        self, by: Key | None = None, *, alg: str = "RS256", kid: Any = None, **claims: Any
    ) -> str:
        """A token by one of its keys, by default the first."""
        by = by or key("first")
        header = {"alg": alg, "kid": by.kid if kid is None else kid}
        return jwt.encode(header, self.claims(**claims), by, algorithms=[alg])

    def tokens(self, authorization: str, body: str) -> tuple[int, dict[str, Any]]:
        """What a code is worth."""
        status, found = self.sign_ins.redeem(authorization, body)
        if status != 200:
            return status, found
        claims = {"aud": self.sign_ins.client_id, "nonce": found["nonce"], **self.sign_ins.claims}
        token = self.token(**claims)
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": token}

    def body(self, path: str) -> dict[str, Any] | None:
        if path == "/tenant/.well-known/openid-configuration":
            self.described += 1
            self.answering.wait(10)
            return {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                **self.about,
            }
        if path == "/tenant/keys":
            self.asked += 1
            return {"keys": self.published}
        return None


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer with one key, `first`."""
    issuer = Issuer()
    issuer.publish(key("first"))
    issuer.answering.set()

    class Answers(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/tenant/authorize":
                self.send_response(302)
                self.send_header("Location", issuer.sign_ins.arrive(query))
                self.end_headers()
                return
            body = issuer.body(self.path)
            if issuer.redirect and self.path.endswith("/keys"):
                self.send_response(302)
                self.send_header("Location", issuer.redirect)
            else:
                self.send_response(404 if body is None else issuer.status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = issuer.tokens(self.headers.get("Authorization", ""), sent)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    issuer.port = server.server_port

    def stop() -> None:
        if thread.is_alive():
            server.shutdown()
            thread.join()
            server.server_close()

    issuer.stop = stop
    thread.start()
    try:
        yield issuer
    finally:
        stop()


# ------------------------------------------------------------------------------------- attacks


def encoded(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def raw(header: Any, claims: Any, signature: bytes = b"") -> str:
    return f"{encoded(header)}.{encoded(claims)}.{encoded(signature)}"


def _by_hmac(issuer: Issuer, secret: bytes, alg: str = "HS256") -> str:
    """Signed with a shared secret that everybody knows: the published key."""
    signed = f"{encoded({'alg': alg, 'kid': 'first'})}.{encoded(issuer.claims())}"
    digest = hmac.new(secret, signed.encode(), getattr(hashlib, f"sha{alg[2:]}")).digest()
    return f"{signed}.{encoded(digest)}"


def _other_claims(issuer: Issuer) -> str:
    header, _, signature = issuer.token(roles=["viewer"]).split(".")
    return f"{header}.{encoded(issuer.claims(roles=['responder']))}.{signature}"


def _shifted(issuer: Issuer, **seconds: int) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {name: now + after for name, after in seconds.items()}
    return issuer.token(**claims)


def _pem(issuer: Issuer) -> bytes:
    return key("first").as_pem(private=False)


ATTACKS: Final[dict[str, tuple[Callable[[Issuer], str], Reason]]] = {
    "of another issuer": (lambda i: i.token(iss="https://login.example"), "claims"),
    "of an issuer whose address begins alike": (lambda i: i.token(iss=f"{i.url}/"), "claims"),
    "of several issuers": (lambda i: i.token(iss=[i.url]), "claims"),
    "of no issuer": (lambda i: i.token(iss=None), "claims"),
    "for another audience": (lambda i: i.token(aud="billing"), "claims"),
    "for other audiences": (lambda i: i.token(aud=["billing", "tidegate"]), "claims"),
    "for no audience": (lambda i: i.token(aud=None), "claims"),
    "expired": (lambda i: _shifted(i, exp=-61), "expired"),
    "that never expires": (lambda i: i.token(exp=None), "claims"),
    "that expires in words": (lambda i: i.token(exp="2999-01-01"), "claims"),
    "not yet valid": (lambda i: _shifted(i, nbf=90, exp=300), "early"),
    "issued later": (lambda i: _shifted(i, iat=90, exp=300), "early"),
    "by another key of the same ID": (lambda i: i.token(key("first", size=3072)), "unknown"),
    "by another key of its own ID": (lambda i: i.token(key("other")), "unknown"),
    "with the ID of another key": (lambda i: i.token(key("first"), kid="second"), "unknown"),
    "with no key's ID": (
        lambda i: jwt.encode({"alg": "RS256"}, i.claims(), key("first")),
        "malformed",
    ),
    "with a key's ID that is no text": (
        lambda i: raw({"alg": "RS256", "kid": 1}, i.claims(), b"s"),
        "malformed",
    ),
    "unsigned": (lambda i: raw({"alg": "none", "kid": "first"}, i.claims()), "malformed"),
    "unsigned, in other letters": (
        lambda i: raw({"alg": "nOnE", "kid": "first"}, i.claims()),
        "malformed",
    ),
    "without a signature": (lambda i: f"{i.token().rpartition('.')[0]}.", "unknown"),
    "without an algorithm": (lambda i: raw({"kid": "first"}, i.claims()), "malformed"),
    "HS256 with the public key as PEM": (lambda i: _by_hmac(i, _pem(i)), "malformed"),
    "HS512 with the public key as PEM": (lambda i: _by_hmac(i, _pem(i), "HS512"), "malformed"),
    "HS256 with the public key as JSON": (
        lambda i: _by_hmac(i, json.dumps(i.published[0]).encode()),
        "malformed",
    ),
    "by an algorithm that is not taken": (lambda i: i.token(alg="RS512"), "malformed"),
    "ES256 with an RSA key's ID": (
        lambda i: i.token(key("ec", "EC"), alg="ES256", kid="first"),
        "unknown",
    ),
    "by a key that it brings along": (
        lambda i: jwt.encode(
            {"alg": "RS256", "kid": "first", "jwk": key("other").as_dict(private=False)},
            i.claims(),
            key("other"),
        ),
        "unknown",
    ),
    "that asks for what nobody knows": (
        lambda i: raw({"alg": "RS256", "kid": "first", "crit": ["x"], "x": 1}, i.claims(), b"s"),
        "unknown",
    ),
    "with other claims than were signed": (_other_claims, "unknown"),
    "truncated": (lambda i: i.token()[:-2], "unknown"),
    "with two parts": (lambda i: i.token().rpartition(".")[0], "malformed"),
    "with five parts": (lambda i: f"{i.token()}.a.b", "malformed"),
    "of nothing but dots": (lambda i: "..", "malformed"),
    "with a header that is no object": (lambda i: raw([], i.claims(), b"s"), "malformed"),
    "with a header as deep as it can be": (
        lambda i: f"{encoded(b'[' * 1500)}.{encoded(i.claims())}.s",
        "malformed",
    ),
    "with claims that are no object": (
        lambda i: jwt_of_anything(b"[]"),
        "unknown",
    ),
    "as long as a book": (lambda i: i.token(note="x" * 7000), "malformed"),
    "of no role": (lambda i: i.token(roles=None), "role"),
    "of a role that there is not": (lambda i: i.token(roles=["owner", "Responder", 7]), "role"),
    "of a role in a sentence": (lambda i: i.token(roles="a responder"), "role"),
    "of an address that is not verified": (lambda i: i.token(email_verified=False), "name"),
    "of an address that is verified in words": (lambda i: i.token(email_verified="true"), "name"),
    "of an address of which nobody says that": (lambda i: i.token(email_verified=None), "name"),
    "of nobody": (lambda i: i.token(email=None), "name"),
    "of many": (lambda i: i.token(email=["ana", "ben"]), "name"),
    "of somebody without a name": (lambda i: i.token(email="\u202e "), "name"),
    "of Tidegate itself": (lambda i: i.token(email="Tidegate"), "name"),
    "of a monitoring system": (lambda i: i.token(email="Source:alertmanager"), "name"),
    "of somebody with a very long name": (lambda i: i.token(email="a" * 201), "name"),
}
"""Tokens that let nobody in, each with the reason that is logged."""


def jwt_of_anything(payload: bytes) -> str:
    """A JWS of the first key, over what is no claims."""
    from joserfc import jws

    return jws.serialize_compact({"alg": "RS256", "kid": "first"}, payload, key("first"))
