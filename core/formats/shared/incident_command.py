"""What a person does about an incident of ours in the system that paged them: a command to it.

The incident is known by its own ID, which our pages carry there. What no person did is no command:
much of it we have caused, and it would come back here without end.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from core.domain.event import INCIDENT_COMMAND, Event, readable_time
from core.domain.identity import OCCURRENCE, change_key
from core.domain.text import one_line, shortened
from core.formats.shared.delivery import Delivery, source_of

US: Final = "Tidegate"
"""How we call ourselves there."""
_OWN_ID: Final = re.compile(f".+{OCCURRENCE}", re.DOTALL)
"""An incident's own ID: its workflow ID, and when it began."""
_INCIDENT: Final = re.compile(f"incident:(?P<subject>.+){OCCURRENCE}", re.DOTALL)
_NAME_CHARS: Final = 200


def is_own_id(id: str) -> bool:
    """Whether it has the shape of an incident's own ID, by whatever route. What has it there is a
    page of ours, or of another installation, and no alert: it would page again, without end."""
    return bool(_OWN_ID.fullmatch(id))


def is_incident(id: str) -> bool:
    """Whether it has the shape of an incident's own ID, as the shipped routes make them."""
    return bool(_INCIDENT.fullmatch(id))


def incident_command(
    delivery: Delivery,
    *,
    proof: str,
    incident_id: str,
    name: str,
    actor: str | None,
    change: str,
    time: object,
    **fields: Any,
) -> Event:
    """The command `name` with its `fields`, given by `actor` to the incident of that ID. `proof` is
    the other system (`core.domain.command.Proof`); `change` identifies the command there, so that a
    redelivery is the same one. Raises `ValueError` unless `is_incident`."""
    if not (match := _INCIDENT.fullmatch(incident_id)):
        raise ValueError(f"{incident_id!r} is not the ID of an incident")
    source, subject, given_at = source_of(delivery), match["subject"], readable_time(time)
    digest = hashlib.sha256(change.encode(errors="surrogatepass")).hexdigest()[:32]
    return Event(
        id=f"{proof}:{digest}",
        source=source,
        type=INCIDENT_COMMAND,
        subject=subject,
        time=given_at,
        datacontenttype="application/json",
        data={
            "name": name,
            "command_id": f"{proof}:{digest}",
            "incident_id": incident_id,
            "actor": as_name(actor or "") or proof,
            "proof": proof,
            **({"given_at": given_at} if given_at else {}),
            **fields,
        },
        key=change_key(f"{proof}:{source}", subject, digest),
    )


def as_name(text: str) -> str:
    """A person's name as a command takes it; empty where there is none."""
    name = shortened(one_line(text), _NAME_CHARS)
    return "" if name.casefold() == US.casefold() else str(name)
