"""The settings: every environment variable of Tidegate's own, in one validated model.

A dataclass rather than pydantic-settings: a listener reads its settings at every cold start, and
importing that library alone costs more than everything else a listener adds to Temporal's client
(docs/decisions/0002).

Other variables are read elsewhere: the addresses of targets by the names that the policies and the
on-call file give (`bootstrap.target_variables`), TEMPORAL_ADDRESS and its like by
`temporalio.envconfig`, AWS's by boto3, Azure's by azure-identity. `bootstrap` passes
AZURE_STORAGE_CONNECTION_STRING to the document store; no error quotes it, because it is a secret.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from core.contracts import SERVERLESS_RESERVE, WORKERS, WorkerSpec
from core.domain.event import OWN_TYPES
from core.domain.link_template import checked
from core.domain.secret_reference import parse_reference
from core.domain.store_uris import read_root
from core.domain.web_address import is_private
from core.errors import SettingsError

_MIB = 1024 * 1024


def _variable(
    name: str,
    parse: Callable[[str], Any],
    default: Any,
    about: str,
    *,
    local: Literal["caller", "stack"],
    secret: bool = False,
) -> Any:
    """A setting. `local` says whose it is in a local stack: the caller's, or the stack's own,
    because it leads to the stack's servers or because two of its processes cannot share it."""
    metadata = {"name": name, "parse": parse, "about": about, "local": local}
    return field(default=default, metadata=metadata, repr=not secret)


def _path(text: str) -> Path:
    path = Path(text)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # which quotes the path
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    if is_folder:
        raise ValueError("it is a folder, not a file")
    if not is_file:
        raise ValueError("there is no such file")
    return path


def _written_root(text: str) -> str:
    return read_root(text, written=True)


def _read_roots(text: str) -> tuple[str, ...]:
    parts = filter(None, (part.strip() for part in text.split(",")))
    return tuple(read_root(part, written=False) for part in parts)


def _number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError("not a number") from None
        if not low <= value <= high:
            raise ValueError(f"not between {low:g} and {high:g}")
        return value

    return parse


def _address(text: str) -> str:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("not an address like 127.0.0.1:8080")
    return text


def _build_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", text):
        raise ValueError("not letters, digits and . _ + - (128 at most)")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise ValueError("not lower-case letters, digits and hyphens (63 at most)")
    return text


def _own_types(text: str) -> tuple[str, ...]:
    types = tuple(part.strip() for part in text.split(",") if part.strip())
    if not set(types) <= set(OWN_TYPES):
        raise ValueError(f"not all of them are one of {', '.join(OWN_TYPES)}")
    return types


def _workers(text: str) -> tuple[WorkerSpec, ...]:
    known = [spec.name for spec in WORKERS]
    names = [part.strip() for part in text.split(",") if part.strip()]
    for number, name in enumerate(names, 1):
        if name not in known:
            raise ValueError(f"entry {number} is not one of {', '.join(known)}")
    if not names:
        raise ValueError(f"it names none of {', '.join(known)}")
    return tuple(spec for spec in WORKERS if spec.name in names)


def _formats(text: str) -> tuple[tuple[str, str], ...]:
    named: dict[str, str] = {}
    parts = filter(None, (part.strip() for part in text.split(",")))
    for number, part in enumerate(parts, 1):
        queue, equals, format = (side.strip() for side in part.partition("="))
        if not equals or not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", queue):
            raise ValueError(f"entry {number} is not QUEUE=FORMAT or TOPIC/SUBSCRIPTION=FORMAT")
        if queue in named:
            raise ValueError(f"entry {number} names a queue that has a format already")
        named[queue] = format
    return tuple(named.items())


def _target_variables(text: str) -> tuple[tuple[str, str], ...]:
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, tuple):
        raise ValueError('not a JSON object like {"CHAT_URLS": "..."}')
    named: dict[str, str] = {}
    for number, (name, value) in enumerate(pairs, 1):
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(f"entry {number} is not named like a variable, in capitals")
        if not isinstance(value, str):
            raise ValueError(f"{name} is not text")
        if name in named:
            raise ValueError(f"{name} is there twice")
        named[name] = value
    return tuple(named.items())


def _app_url(text: str) -> str:
    parts = urlsplit(text)
    if len(text) > 200:
        raise ValueError("longer than 200 characters")
    if not text.isascii() or not text.isprintable() or " " in text or "@" in text:
        raise ValueError("not an address: it has a user, blanks or characters that are not ASCII")
    if not is_private(text):
        raise ValueError("not an https address; http is for this machine alone")
    if not parts.hostname or parts.port == 0 or not set("?#\\").isdisjoint(text):
        raise ValueError("not an address like https://tidegate.example/path")
    return text.rstrip("/")


def _references(text: str) -> tuple[str, ...]:
    references = tuple(part.strip() for part in text.split(",") if part.strip())
    for number, reference in enumerate(references, 1):
        try:
            parse_reference(reference)
        except ValueError as error:
            raise ValueError(f"entry {number} is {error}") from None
    if not 0 < len(references) <= 2:
        raise ValueError("it takes one reference, or two while keys are rotated")
    return references


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    if not is_private(text):
        raise ValueError("not an https address; http is for this machine alone")
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("not an address like https://login.example/tenant")
    return text


def _audience(text: str) -> str:
    if len(text) > 500 or not text.isprintable():
        raise ValueError("not a line of 500 characters at most")
    return text


def _expression(text: str) -> str:
    from core.domain.expressions.expression import compiled  # which may load JMESPath

    try:
        return str(compiled(text))
    except ValueError:  # which quotes the text
        raise ValueError("not a JMESPath expression of 1,000 characters at most") from None


def _reference(text: str) -> str:
    parse_reference(text)
    return text


def _team(text: str) -> str:
    if not re.fullmatch(r"[TE][A-Z0-9]{2,30}", text):
        raise ValueError("not the ID of a workspace, such as T0123456789")
    return text


def _level(text: str) -> str:
    if text.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("not one of DEBUG, INFO, WARNING, ERROR")
    return text.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process, as `from_env` reads them."""

    routes: Path | None = _variable(
        "TIDEGATE_ROUTES",
        _path,
        None,
        "The routing table, in YAML or compiled. Default: the shipped one.",
        local="caller",
    )
    documents: tuple[str, ...] = _variable(
        "TIDEGATE_DOCUMENTS",
        _read_roots,
        (),
        "URI prefixes, comma-separated, that events may refer to; documents elsewhere are refused.",
        local="stack",
    )
    reports: str | None = _variable(
        "TIDEGATE_REPORTS",
        _written_root,
        None,
        "URI prefix that post-incident reports are written under.",
        local="stack",
    )
    quarantine: str | None = _variable(
        "TIDEGATE_QUARANTINE",
        _written_root,
        None,
        "URI prefix that quarantined originals are stored under.",
        local="stack",
    )
    max_event_bytes: int = _variable(
        "TIDEGATE_MAX_EVENT_BYTES",
        _number(int, 1024, 1_900_000),
        _MIB,
        "Largest event that is accepted, in bytes of JSON; larger ones are quarantined.",
        local="caller",
    )
    max_report_bytes: int = _variable(
        "TIDEGATE_MAX_REPORT_BYTES",
        _number(int, 1024, 1_900_000),
        _MIB,
        "Largest incident report that is read, in bytes.",
        local="caller",
    )
    start_timeout: float = _variable(
        "TIDEGATE_START_TIMEOUT",
        _number(float, 0.1, 60),
        5.0,
        "Seconds that one call to Temporal may take, and the body of a request to the HTTP "
        "application.",
        local="caller",
    )
    deadline_margin: float = _variable(
        "TIDEGATE_DEADLINE_MARGIN",
        _number(float, 0.1, 60),
        2.0,
        "Seconds before a function's deadline at which unfinished events are left to redelivery.",
        local="caller",
    )
    concurrency: int = _variable(
        "TIDEGATE_CONCURRENCY",
        _number(int, 1, 1000),
        100,
        "Starts that one process has in flight at most.",
        local="caller",
    )
    ack_timeout: float = _variable(
        "TIDEGATE_ACK_TIMEOUT",
        _number(float, 1, 86_400),
        300.0,
        "Seconds a page may stay unacknowledged before the incident escalates.",
        local="caller",
    )
    incident_url: str | None = _variable(
        "TIDEGATE_INCIDENT_URL",
        checked,
        None,
        "The address of an incident in a web application, for its pages, with {id}, {handle}, "
        "{workflow_id} and {run_id}. Default: pages have no such link.",
        local="caller",
    )
    app_url: str | None = _variable(
        "TIDEGATE_APP_URL",
        _app_url,
        None,
        "The address of the HTTP application, which the links in pages lead to. Default: pages "
        "have no such links.",
        local="stack",
    )
    link_keys: tuple[str, ...] = _variable(
        "TIDEGATE_LINK_KEYS",
        _references,
        (),
        "References to the secrets that sign the links in pages, comma-separated: the first "
        "signs, and a second one still verifies. At least 32 bytes each, as `openssl rand -base64 "
        "32` makes them.",
        local="stack",
    )
    policies: Path | None = _variable(
        "TIDEGATE_POLICIES",
        _path,
        None,
        "The incident policies, a YAML file. Default: the shipped ones.",
        local="caller",
    )
    oncall: Path | None = _variable(
        "TIDEGATE_ONCALL",
        _path,
        None,
        "People, teams, schedules and heartbeats, a YAML file. Default: the package's, or none.",
        local="caller",
    )
    target_variables: tuple[tuple[str, str], ...] = _variable(
        "TIDEGATE_TARGET_VARIABLES",
        _target_variables,
        (),
        "A JSON object with variables that the policies and the on-call file name, each with its "
        "value.",
        secret=True,
        local="caller",
    )
    webhooks: Path | None = _variable(
        "TIDEGATE_WEBHOOKS",
        _path,
        None,
        "The webhooks' endpoints, a YAML file. Without it there are none.",
        local="caller",
    )
    continue_as_new_after: int = _variable(
        "TIDEGATE_CONTINUE_AS_NEW_AFTER",
        _number(int, 50, 40_000),
        5000,
        "Events in an incident's history after which its workflow continues as a new run.",
        local="caller",
    )
    queue_scope: str | None = _variable(
        "TIDEGATE_QUEUE_SCOPE",
        _name,
        None,
        "The scope that all queues of message listeners share, with webhooks of the same `scope` "
        "too. Default: each queue is its own.",
        local="caller",
    )
    trusted_types: tuple[str, ...] = _variable(
        "TIDEGATE_TRUSTED_TYPES",
        _own_types,
        (),
        "Types of Tidegate's own, comma-separated, that CloudEvents in queues may have, e.g. "
        "tidegate.alert.",
        local="caller",
    )
    queue_formats: tuple[tuple[str, str], ...] = _variable(
        "TIDEGATE_QUEUE_FORMATS",
        _formats,
        (),
        "Formats of queues' messages, comma-separated: alarms=cloudwatch, "
        "TOPIC/SUBSCRIPTION=alertmanager, health=mapped:PRESET. Default: CloudEvents or any JSON.",
        local="caller",
    )
    secrets_ttl: float = _variable(
        "TIDEGATE_SECRETS_TTL",
        _number(float, 1, 86_400),
        300.0,
        "Seconds that a secret is cached.",
        local="caller",
    )
    api_tokens: str | None = _variable(
        "TIDEGATE_API_TOKENS",
        _reference,
        None,
        "Reference to the secret with the service tokens of the HTTP API, a JSON array of name, "
        "role and tokens. Default: there are none.",
        local="caller",
    )
    slack_signing_secret: str | None = _variable(
        "TIDEGATE_SLACK_SIGNING_SECRET",
        _reference,
        None,
        "Reference to the signing secret of the Slack app whose buttons and slash command the "
        "HTTP application answers. Default: it answers none.",
        local="caller",
    )
    slack_team: str | None = _variable(
        "TIDEGATE_SLACK_TEAM",
        _team,
        None,
        "The ID of the workspace that those requests must come from. Default: any in which the "
        "app is installed.",
        local="caller",
    )
    oidc_issuer: str | None = _variable(
        "TIDEGATE_OIDC_ISSUER",
        _issuer,
        None,
        "The OpenID Connect issuer whose tokens the HTTP API takes, exactly as their claim `iss` "
        "has it. Default: none.",
        local="caller",
    )
    oidc_audience: str | None = _variable(
        "TIDEGATE_OIDC_AUDIENCE",
        _audience,
        None,
        "The audience that those tokens must be for: their claim `aud`.",
        local="caller",
    )
    oidc_role: str = _variable(
        "TIDEGATE_OIDC_ROLE",
        _expression,
        "roles",
        "Where their claims have the role, viewer, responder or admin, or a list with it: a name, "
        "or a JMESPath expression.",
        local="caller",
    )
    oidc_name: str = _variable(
        "TIDEGATE_OIDC_NAME",
        _expression,
        "email_verified == `true` && email",
        "Where their claims have the name by which somebody acts, likewise. Default: an email "
        "address that the issuer has verified.",
        local="caller",
    )
    console_client_id: str | None = _variable(
        "TIDEGATE_CONSOLE_CLIENT_ID",
        _audience,
        None,
        "The client of that issuer by which people sign in to the console. Default: there is no "
        "console.",
        local="caller",
    )
    console_client_secret: str | None = _variable(
        "TIDEGATE_CONSOLE_CLIENT_SECRET",
        _reference,
        None,
        "Reference to the secret of that client. Default: it is a public one, which has none.",
        local="caller",
    )
    health_address: str = _variable(
        "TIDEGATE_HEALTH_ADDRESS",
        _address,
        "0.0.0.0:8080",
        "Where a worker serves /healthz and /readyz; port 0 takes a free one.",
        local="stack",
    )
    metrics_address: str | None = _variable(
        "TIDEGATE_METRICS_ADDRESS",
        _address,
        None,
        "Where a worker serves Prometheus metrics, e.g. 0.0.0.0:9464. Default: nowhere.",
        local="stack",
    )
    drain_timeout: float = _variable(
        "TIDEGATE_DRAIN_TIMEOUT",
        _number(float, 0, 3600),
        25.0,
        "Seconds a worker lets running activities finish after SIGTERM.",
        local="stack",
    )
    served_workers: tuple[WorkerSpec, ...] = _variable(
        "TIDEGATE_SERVED_WORKERS",
        _workers,
        WORKERS,
        "Workers, comma-separated, that the function of serverless workers serves. Default: all.",
        local="stack",
    )
    idle_timeout: float = _variable(
        "TIDEGATE_IDLE_TIMEOUT",
        _number(float, 0.1, 60),
        2.0,
        "Seconds without a task after which a serverless worker ends.",
        local="caller",
    )
    first_task_timeout: float = _variable(
        "TIDEGATE_FIRST_TASK_TIMEOUT",
        _number(float, 0.1, 60),
        5.0,
        "Seconds that a serverless worker waits for its first task.",
        local="caller",
    )
    build_id: str | None = _variable(
        "TIDEGATE_BUILD_ID",
        _build_id,
        None,
        "Build ID of the workers, for worker versioning. Default: unversioned.",
        local="stack",
    )
    log_level: str = _variable(
        "TIDEGATE_LOG_LEVEL",
        _level,
        "INFO",
        "DEBUG, INFO, WARNING or ERROR.",
        local="caller",
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """The settings in `env`, by default the process's environment.

        Raises `SettingsError` naming every invalid variable.
        """
        env = os.environ if env is None else env
        values: dict[str, Any] = {}
        problems: list[str] = []
        fixes: list[str] = []
        for setting in fields(cls):
            name = setting.metadata["name"]
            if text := env.get(name, "").strip():
                try:
                    values[setting.name] = setting.metadata["parse"](text)
                except ValueError as error:
                    problems.append(f"{name}: {error}")  # its value may be a secret
                    fixes.append(_explained(setting.metadata))
        if problems:
            raise SettingsError("; ".join(problems), fix=f"correct {'; '.join(fixes)}")
        return cls(**values)

    def require(self, name: str) -> Any:
        """The value of a field. Raises `SettingsError` naming its variable when it is not set."""
        value = getattr(self, name)
        if value is None or value == ():
            variable = {f.name: f.metadata for f in fields(self)}[name]
            raise SettingsError(
                f"{variable['name']} is not set", fix=f"set {_explained(variable)}", unset=True
            )
        return value

    @property
    def served_queues(self) -> tuple[str, ...]:
        """The task queues of the served workers."""
        return tuple(spec.task_queue for spec in self.served_workers)

    def check_function_timeout(self, seconds: float) -> None:
        """Raises `SettingsError` where so many seconds until the deadline of the function of
        serverless workers leave no time for work."""
        drain, first = self.drain_timeout, self.first_task_timeout
        least = drain + first + SERVERLESS_RESERVE
        if seconds < least:
            raise SettingsError(
                f"the function has {seconds:.0f} s until its timeout, which leaves no time for "
                f"work: it needs {least:g}, which are TIDEGATE_DRAIN_TIMEOUT={drain:g}, "
                f"TIDEGATE_FIRST_TASK_TIMEOUT={first:g} and {SERVERLESS_RESERVE:g} to end",
                fix="publish a version with a longer timeout, or with a shorter "
                "TIDEGATE_DRAIN_TIMEOUT",
            )


def meaning(name: str) -> str:
    """The name and meaning of the variable `name`, as the next step of an error quotes them."""
    return next(_explained(f.metadata) for f in fields(Settings) if f.metadata["name"] == name)


def _explained(variable: Mapping[str, Any]) -> str:
    """A variable's name and meaning, e.g. `TIDEGATE_ACK_TIMEOUT: Seconds a page may ...`."""
    return f"{variable['name']}: {variable['about'].rstrip('.')}"


def variables() -> list[tuple[str, Any, str]]:
    """Name, default and meaning of every variable; tests hold docs and templates to them."""
    return [(f.metadata["name"], f.default, f.metadata["about"]) for f in fields(Settings)]


def local_settings() -> dict[str, Literal["caller", "stack"]]:
    """Whose each variable is in a local stack: the caller's, or the stack's own."""
    return {f.metadata["name"]: f.metadata["local"] for f in fields(Settings)}
