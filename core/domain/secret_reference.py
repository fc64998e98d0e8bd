"""How configuration files refer to a secret: by where it is kept, never by its value.

    env:NAME                          an environment variable
    file:/run/secrets/name            a file, by its absolute path
    aws:name-or-arn                   a secret in AWS Secrets Manager
    aws:name-or-arn#field             one field of a secret that is a JSON object
    azure:vault/name                  a secret in Azure Key Vault
    azure:https://vault-host/name     the same, in a cloud with other hosts

Text that is not a reference may be a secret put there by mistake, so no error quotes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

VAULT_DOMAIN: Final = "vault.azure.net"

_NAME: Final = r"[A-Za-z0-9/_+=.@-]{1,512}"
_ARN: Final = rf"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{{12}}:secret:{_NAME}"
_VAULT: Final = r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]|https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?"

_FORMS: Final = {
    "env": (r"(?P<place>[A-Za-z_][A-Za-z0-9_]*)", "env:NAME"),
    "file": (r"(?P<place>/.*[^/])", "file:/absolute/path"),
    "aws": (rf"(?P<place>{_ARN}|{_NAME})(?:#(?P<name>.+))?", "aws:NAME or aws:NAME#FIELD"),
    "azure": (
        rf"(?P<place>{_VAULT})/(?P<name>[A-Za-z0-9-]{{1,127}})",
        "azure:VAULT/NAME or azure:https://VAULT-HOST/NAME, with neither /secrets/ nor a version",
    ),
}


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A parsed reference.

    `place` is a variable, a path, a secret's name or ARN, or a vault's URL; `name` is a field of
    the JSON there (`aws`, None for the whole secret), or the secret in that vault (`azure`).
    """

    text: str
    store: str
    place: str
    name: str | None = None

    def __str__(self) -> str:
        return self.text


def parse_reference(text: str) -> SecretReference:
    """The parts of a reference. Raises `ValueError` that says which form was expected."""
    store, _, rest = text.partition(":")
    if store not in _FORMS:
        raise ValueError("not a reference to a secret: env:NAME, file:/PATH, aws:... or azure:...")
    pattern, form = _FORMS[store]
    match = re.fullmatch(pattern, rest) if text.isprintable() else None
    if match is None:
        raise ValueError(f"not a reference like {form}")
    parts = match.groupdict()
    place = parts["place"]
    if store == "azure" and not place.startswith("https://"):
        place = f"https://{place}.{VAULT_DOMAIN}"
    return SecretReference(text=text, store=store, place=place, name=parts.get("name"))


def check_reference(text: str) -> str:
    """The same text, for a model's field. Raises `ValueError` if it is not a reference."""
    parse_reference(text)
    return text
