"""STS for one role that demands an external ID: AssumeRole, as a trust policy with the condition
`sts:ExternalId` answers it.

Temporal checks that a role cannot be assumed without its external ID before it uses it, so an STS
that grants everything, as moto's does, is refused.

Source: AWS Security Token Service API Reference, "AssumeRole".
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

_XMLNS: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_LIFETIME: Final = timedelta(hours=1)


def answer(form: Mapping[str, str], *, role: str, external_id: str) -> tuple[int, str]:
    """The status and the XML for a request's form fields."""
    action = form.get("Action", "")
    if action != "AssumeRole":
        return 400, _error("InvalidAction", f"this STS has no action {action!r}")
    if form.get("RoleArn") != role or form.get("ExternalId") != external_id:
        who = form.get("RoleArn", "")
        return 403, _error("AccessDenied", f"not authorized to perform: sts:AssumeRole on {who}")
    session = f"{role.replace(':role/', ':assumed-role/')}/{form.get('RoleSessionName', '')}"
    expires = (datetime.now(UTC) + _LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ")
    return 200, (
        f'<AssumeRoleResponse xmlns="{_XMLNS}"><AssumeRoleResult>'
        f"<AssumedRoleUser><AssumedRoleId>AROALOCAL:session</AssumedRoleId>"
        f"<Arn>{escape(session)}</Arn></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>ASIA{secrets.token_hex(8).upper()}</AccessKeyId>"
        f"<SecretAccessKey>{secrets.token_hex(20)}</SecretAccessKey>"
        f"<SessionToken>{secrets.token_hex(20)}</SessionToken>"
        f"<Expiration>{expires}</Expiration></Credentials></AssumeRoleResult>"
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        f"</AssumeRoleResponse>"
    )


def _error(code: str, message: str) -> str:
    return (
        f'<ErrorResponse xmlns="{_XMLNS}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )
