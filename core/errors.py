"""The one exception tree: everything that Tidegate raises on purpose.

    TidegateError
    ├── ConfigurationError      the operator must change something; no event is at fault
    │   ├── SettingsError           an environment variable or a secret is missing or wrong
    │   └── ConfigFileError         a YAML file is wrong; names file, line and field
    ├── PermanentError          this event can never work as it is: quarantine it
    │   ├── InvalidEvent            its shape, size or attributes are not acceptable
    │   ├── NoRoute                 no rule of the routing table matches it
    │   ├── InvalidData             its data does not satisfy the `schema` of its route
    │   ├── InvalidChildId          its route's `child_id` template yields no valid ID
    │   ├── InvalidInput            its route's `input` yields no arguments for the workflow
    │   ├── InvalidOption           its route's `memo` or the like yields no valid value
    │   ├── ChildAlreadyRunning     its child is running and the route says `reject`
    │   ├── ChildMissing            its workflow is not running and the route says `quarantine`
    │   ├── DocumentRefused         its document lies outside the configured roots
    │   ├── DocumentNotFound        its document does not exist (any more)
    │   ├── DocumentTooLarge        its document exceeds the configured limit
    │   ├── DocumentChanged         its document was overwritten since the event
    │   ├── InvalidReport           its document is not an incident report
    │   ├── NotStarted              Temporal was unavailable, and its sender does not retry
    │   └── IncidentCancelled       its incident was cancelled before it could open
    ├── TransientError          the same event may work later: redeliver it
    │   ├── TemporalUnavailable     Temporal did not accept the call
    │   ├── StoreUnavailable        a document store is unavailable
    │   ├── SecretUnavailable       a secret store is unavailable
    │   ├── NotificationFailed      a page could not be delivered
    │   ├── DeploymentUnavailable   a deployed installation does not take what an operator sends
    │   └── NotAccepted             part of a delivery was not accepted
    ├── Unwanted                no rule takes an event, and the routing table drops such events
    ├── CommandRefused          an incident, or on-call, is not in a state for this command
    ├── IncidentNotFound        no incident has this ID or handle
    ├── UnknownName             nothing of on-call has this name
    ├── AmbiguousId             what somebody typed for an ID fits several
    ├── InvalidLink             a link was not signed here, or not for this
    ├── ExpiredLink             a link was signed here, too long ago
    ├── RolloutRefused          a build of the serverless workers cannot take work as it is
    ├── RolloutConflict         somebody else changed the worker deployment meanwhile
    └── DocumentExists          a conditional write found that the document exists

Each message says what happened and to which event or document; `fix` says what the operator can do
about it. The class name is the error's code in receipts, quarantine records, the types of workflow
failures, and docs/errors.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.domain.incident.refusals import Refusal
    from core.links import Link

_USERINFO: Final = re.compile(r"(?<=//)[^/\s@]*@|\S+:\S+@")
"""A user and password in an address."""
_QUOTED_CHARS: Final = 200
_MESSAGE_CHARS: Final = 2000
"""What an error may quote of a sender goes into receipts, records and workflow failures, all of
which have limits."""


class TidegateError(Exception):
    """Root of the tree. `str()` is the message with the fix, if there is one."""

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
    """An environment variable or a secret is missing or invalid. `unset` says that a variable which
    is needed has no value at all."""

    def __init__(self, message: str, *, fix: str | None = None, unset: bool = False) -> None:
        super().__init__(message, fix=fix)
        self.unset = unset


class ConfigFileError(ConfigurationError):
    """A configuration file is invalid. Each problem reads `file:line:column: field: what`."""

    fix = (
        "correct the file; `tidegate routes|policies|oncall|webhooks schema` prints what it may "
        "contain"
    )

    def __init__(self, problems: list[str], *, fix: str | None = None) -> None:
        super().__init__("\n".join(problems), fix=fix)
        self.problems = problems


class PermanentError(TidegateError):
    """This event can never work as it is.

    A subclass registers its code by being defined, wherever that is.
    """

    _by_code: ClassVar[dict[str, type[PermanentError]]] = {}

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        other = cls._by_code.setdefault(cls.__name__, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(
                f"the error code {cls.__name__} belongs to {other.__module__}.{other.__qualname__} "
                f"already: rename {cls.__module__}.{cls.__qualname__}"
            )
        cls._by_code[cls.__name__] = cls

    @classmethod
    def from_code(cls, code: str, message: str) -> PermanentError:
        """The error again, after it crossed Temporal as a code and a message. The message has the
        fix already. Raises `ValueError` for a code of any other kind of error."""
        if kind := cls._by_code.get(code):
            return kind(message, fix="")
        raise ValueError(f"{code} is not the code of a permanent error")


class InvalidEvent(PermanentError):
    """The event's shape, size or attributes are not acceptable."""

    fix = "fix the sender, then replay it with `tidegate quarantine replay`"


class NoRoute(PermanentError):
    """No rule of the routing table matches the event."""

    fix = "add a route for it, check it with `tidegate explain`, then `tidegate quarantine replay`"


class InvalidData(PermanentError):
    """The event's data does not satisfy the JSON Schema of its route."""

    fix = (
        "fix the sender, or the route's `schema`, then replay it with `tidegate quarantine replay`"
    )


class InvalidChildId(PermanentError):
    """The route's `child_id` template yields no valid ID for this event."""

    fix = "fix the route's `child_id`, check it with `tidegate explain`, then replay the event"


class InvalidInput(PermanentError):
    """The route's `input` yields no arguments for this event, or too large ones."""

    fix = "fix the route's `input`, check it with `tidegate explain`, then replay the event"


class InvalidOption(PermanentError):
    """What the route says of its workflow yields no valid value for this event, or is a search
    attribute that the namespace does not have."""

    fix = (
        "fix the route, or the sender; find what the namespace lacks with `tidegate doctor`; then "
        "replay the event"
    )


class ChildAlreadyRunning(PermanentError):
    """The event's child workflow is running and its route says `when_running: reject`."""

    fix = "replay it when the child has closed, or change the route's `when_running`"


class ChildMissing(PermanentError):
    """The event's workflow is not running and its route says `when_missing: quarantine`."""

    fix = (
        "delete it if its workflow has ended; if it should start one, change the route's "
        "`when_missing`, then replay it"
    )


class DocumentRefused(PermanentError):
    """The document lies outside the configured roots."""

    fix = "add its bucket, container or folder to TIDEGATE_DOCUMENTS if it is to be read"


class DocumentNotFound(PermanentError):
    """The document does not exist, or no longer exists."""

    fix = "upload it again; the new upload is a new event"


class DocumentTooLarge(PermanentError):
    """The document exceeds the configured limit."""

    fix = "shorten it, or raise TIDEGATE_MAX_REPORT_BYTES"


class DocumentChanged(PermanentError):
    """The document was overwritten since the event; the new content has an event of its own."""

    fix = "nothing to do if the newer upload was accepted; enable versioning to keep both"


class InvalidReport(PermanentError):
    """The document is not an incident report."""

    fix = "correct the document and upload it again"


class NotStarted(PermanentError):
    """Temporal was unavailable when the event arrived, and its sender does not retry."""

    fix = "replay it with `tidegate quarantine replay` when `tidegate doctor` reports no failure"


class IncidentCancelled(PermanentError):
    """The incident's workflow was cancelled before the event could open it."""

    fix = "replay the event if it should open an incident after all"


class TransientError(TidegateError):
    """The same event may work later: the platform must redeliver it."""


class TemporalUnavailable(TransientError):
    """Temporal did not accept the call: it is unreachable or overloaded."""

    fix = "find the cause with `tidegate doctor`"


class StoreUnavailable(TransientError):
    """A document store is unreachable, throttles, or refused the credentials."""

    fix = "find the cause with `tidegate doctor`"


class SecretUnavailable(TransientError):
    """A secret store is unreachable, or refused the credentials."""

    fix = "it is retried; check the network path to it and the permission to read there"


class NotificationFailed(TransientError):
    """A page could not be delivered to at least one of its targets."""

    fix = "check the variables that the policies file names for the target"

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        final: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """`final` if the same attempt fails again until somebody changes something; `retry_after`
        is in seconds, where the service says so."""
        super().__init__(message, fix=fix)
        self.final = final
        self.retry_after = retry_after

    @classmethod
    def together(cls, message: str, failures: Sequence[NotificationFailed]) -> NotificationFailed:
        """The failure of several attempts: final if each is, to be retried when all may be."""
        waits = [each.retry_after for each in failures if each.retry_after]
        return cls(
            message,
            final=bool(failures) and all(each.final for each in failures),
            retry_after=max(waits, default=None),
        )


class DeploymentUnavailable(TransientError):
    """A deployed installation does not answer an operator, or its platform refuses the call."""

    fix = "check the address, the network path to it, and the permissions that it names"


class NotAccepted(TransientError):
    """Part of a delivery was not accepted, so all of it must be redelivered."""

    fix = "its source redelivers it; see the receipts with verdict retry"


class Unwanted(TidegateError):
    """No rule of the routing table takes the event, and it says `otherwise: drop`."""

    fix = "nothing to do; if a workflow should have it, add a route for it"


class CommandRefused(TidegateError):
    """An incident, or on-call, is not in a state for this command. `refusal` is the incident's own,
    `incident` its handle, or the workflow ID by which it was named."""

    fix = "look at the incident with `tidegate incident show`"

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        incident: str = "",
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.incident = incident
        self.refusal = refusal


class IncidentNotFound(TidegateError):
    """No incident has this ID or handle."""

    fix = "find its handle with `tidegate incident list --all`, or in the page"


class UnknownName(TidegateError):
    """No schedule or person of the on-call file has this name, or no heartbeat that runs."""

    fix = "find it with `tidegate oncall now`, `oncall next` or `heartbeats list`"


class AmbiguousId(TidegateError):
    """What somebody typed for an ID, a handle or the beginning of an ID, fits several."""

    fix = "type the handle of the one that is meant, or more of its ID"


class InvalidLink(TidegateError):
    """No key of ours has signed this link, with all that it states."""

    fix = "open the link as it stands in the page"


class ExpiredLink(TidegateError):
    """One of our keys has signed this `link`, which has expired."""

    fix = "use the command that stands in the page beside it"

    def __init__(self, message: str, link: Link) -> None:
        super().__init__(message)
        self.link = link


class RolloutRefused(TidegateError):
    """A build of the serverless workers cannot take work as it is."""

    fix = "see how the builds stand with `tidegate workers status`"


class RolloutConflict(TidegateError):
    """Somebody else changed the worker deployment meanwhile; nothing was changed here."""

    fix = "see what they changed with `tidegate workers status`, then repeat the command if needed"


class DocumentExists(TidegateError):
    """A conditional write (`If-None-Match: *`) found that the document exists."""


def _shortened(message: str) -> str:
    """A message that cannot grow with what somebody sent: its beginning and its end."""
    if len(message) <= _MESSAGE_CHARS:
        return message
    half = _MESSAGE_CHARS // 2
    return f"{message[:half]} ... {message[-half:]}"


def third_party(error: Exception) -> str:
    """What a library's error says, without the credentials of the addresses that it quotes."""
    return _USERINFO.sub("", str(error)) or type(error).__name__


def quoted(value: object) -> str:
    """A sender's value as messages quote it: what `repr` says, in at most 200 characters."""
    text = repr(value[:_QUOTED_CHARS]) if isinstance(value, str) else repr(value)
    return text if len(text) <= _QUOTED_CHARS else f"{text[: _QUOTED_CHARS - 3]}..."
