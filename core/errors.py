"""The one exception tree. Everything Tidegate raises on purpose is here, and nothing else is.

    TidegateError
    ├── ConfigurationError      the operator must change something; no event is to blame
    │   ├── SettingsError           an environment variable or a secret is missing or wrong
    │   └── ConfigFileError         a YAML file is wrong; names file, line and field
    ├── PermanentError          this event can never work as it is: quarantine it
    │   ├── InvalidEvent            its shape, size or attributes are not acceptable
    │   ├── NoRoute                 no rule of the routing table matches it
    │   ├── InvalidChildId          its route's child-ID template yields nothing usable
    │   ├── ChildAlreadyRunning     its child runs already and the route says `reject`
    │   ├── DocumentRefused         its document lies outside the configured roots
    │   ├── DocumentNotFound        its document does not exist (any more)
    │   ├── DocumentTooLarge        its document is larger than the configured limit
    │   ├── DocumentChanged         its document was overwritten since the event
    │   ├── InvalidReport           its document is not an incident report
    │   ├── NotStarted              it could not start when it came, and its sender comes only once
    │   └── IncidentCancelled       its incident was cancelled before it could open
    ├── TransientError          the same event may work later: deliver it again
    │   ├── TemporalUnavailable     Temporal did not take the start
    │   ├── StoreUnavailable        a document store did not answer
    │   ├── SecretUnavailable       a store of secrets did not answer
    │   ├── NotificationFailed      a page could not be delivered
    │   └── NotAccepted             part of a delivery could not be settled now
    ├── CommandRefused          an incident does not take this command as it is
    ├── IncidentNotFound        no incident runs under this workflow ID
    └── DocumentExists          a conditional write found the document already there

Each message says what happened and to which event or document; `fix` says what the operator can do
next. The class name is the error's code: it appears in receipts, in quarantine records, as the type
of workflow failures, and in docs/errors.md.
"""

from __future__ import annotations

from typing import Final

_QUOTED_CHARS: Final = 200
_MESSAGE_CHARS: Final = 2000
"""What an error may quote of a sender goes into receipts, records and workflow failures, all of
which have limits."""


class TidegateError(Exception):
    """Root of the tree. `str()` gives the message and, where there is one, the next step."""

    fix: str = ""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        self.message = _shortened(message)
        super().__init__(self.message)
        if fix is not None:
            self.fix = fix

    @property
    def code(self) -> str:
        """The stable name of this kind of error, e.g. `NoRoute`."""
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.message} ({self.fix})" if self.fix else self.message


class ConfigurationError(TidegateError):
    """The operator must change something before any event can pass."""


class SettingsError(ConfigurationError):
    """An environment variable, or a secret, is missing or holds what it may not."""


class ConfigFileError(ConfigurationError):
    """A configuration file is wrong. Each problem reads `file:line:column: field: what`."""

    def __init__(self, problems: list[str], *, fix: str | None = None) -> None:
        super().__init__("\n".join(problems), fix=fix)
        self.problems = problems


class PermanentError(TidegateError):
    """This event can never work as it is."""


class InvalidEvent(PermanentError):
    """The event's shape, size or attributes are not acceptable."""

    fix = "mend the sender, then replay it with `tidegate quarantine replay`"


class NoRoute(PermanentError):
    """No rule of the routing table matches the event."""

    fix = "add a route for it, check it with `tidegate explain`, then `tidegate quarantine replay`"


class InvalidChildId(PermanentError):
    """The route's child-ID template yields nothing usable for this event."""

    fix = "mend the route's `child_id`, check it with `tidegate explain`, then replay the event"


class ChildAlreadyRunning(PermanentError):
    """The event's child workflow runs already and its route says `when_running: reject`."""

    fix = "replay it when the child has closed, or let the route signal it or start a new one"


class DocumentRefused(PermanentError):
    """The document lies outside the configured roots."""

    fix = "add its bucket, container or folder to TIDEGATE_DOCUMENTS if it is to be read"


class DocumentNotFound(PermanentError):
    """The document does not exist, or not any more."""

    fix = "upload it again; the new upload is a new event"


class DocumentTooLarge(PermanentError):
    """The document is larger than the configured limit."""

    fix = "shorten it, or raise TIDEGATE_MAX_REPORT_BYTES"


class DocumentChanged(PermanentError):
    """The document was overwritten since the event: its own upload speaks for the new content."""

    fix = "nothing to do if the newer upload was accepted; enable versioning to keep both"


class InvalidReport(PermanentError):
    """The document is not an incident report."""

    fix = "mend the document by its schema (docs/schemas) and upload it again"


class NotStarted(PermanentError):
    """The event could not be started when it came, and its sender does not send it again."""

    fix = "replay it with `tidegate quarantine replay` when `tidegate doctor` finds all well"


class IncidentCancelled(PermanentError):
    """The incident's workflow was cancelled before the event could open it."""

    fix = "replay the event if it is to open an incident after all"


class TransientError(TidegateError):
    """The same event may work later: the platform must deliver it again."""


class TemporalUnavailable(TransientError):
    """Temporal did not take the call: unreachable, overloaded, or the credentials were refused."""

    fix = "`tidegate doctor` looks for the cause"


class StoreUnavailable(TransientError):
    """A document store did not answer, throttled, or refused the credentials."""

    fix = "`tidegate doctor` looks for the cause"


class SecretUnavailable(TransientError):
    """A store of secrets did not answer, or refused the credentials."""

    fix = "it is asked again by itself; look after the way to it and the permission to read there"


class NotificationFailed(TransientError):
    """A page could not be delivered to at least one of its targets."""

    fix = "check the variables that the policies file names for the target"


class NotAccepted(TransientError):
    """Part of a delivery could not be accepted now, and all of it must be delivered again."""

    fix = "its source delivers it again by itself; see the receipts with verdict retry"


class CommandRefused(TidegateError):
    """An incident does not take this command in its present state."""

    fix = "look at the incident with `tidegate incident show`"


class IncidentNotFound(TidegateError):
    """No incident runs under this workflow ID."""

    fix = "find its ID with `tidegate incident list`, or in the page you got"


class DocumentExists(TidegateError):
    """A conditional write (`If-None-Match: *`) found the document already there."""


def _shortened(message: str) -> str:
    """A message that cannot grow with what somebody sent: its beginning and its end."""
    if len(message) <= _MESSAGE_CHARS:
        return message
    half = _MESSAGE_CHARS // 2
    return f"{message[:half]} ... {message[-half:]}"


def quoted(value: object) -> str:
    """A sender's value as messages quote it: what `repr` says, in at most 200 characters."""
    text = repr(value[:_QUOTED_CHARS]) if isinstance(value, str) else repr(value)
    return text if len(text) <= _QUOTED_CHARS else f"{text[: _QUOTED_CHARS - 3]}..."


def named(code: str, message: str) -> PermanentError:
    """A permanent error again, after it travelled through Temporal as a code and a message."""
    kind = globals().get(code)
    if isinstance(kind, type) and issubclass(kind, PermanentError):
        return kind(message, fix="")
    raise ValueError(f"{code} is not the code of a permanent error")
