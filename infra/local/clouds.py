"""Which clouds a local stack can be, by name. Each is loaded when it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from infra.local.cloud import Cloud
from infra.local.processes import LocalStackError

CLOUDS: Final = ("aws", "azure")


def new_cloud(name: str, *, store: int, bus: int, gateway: int, bridge: bool = False) -> Cloud:
    """A cloud whose servers will listen to these ports of this machine. Raises `LocalStackError`
    for a name that is none."""
    if name == "aws":
        from infra.local.aws.cloud import AwsCloud

        return AwsCloud(store, gateway, bridge=bridge)
    if name == "azure":
        from infra.local.azure.azurite import Azurite
        from infra.local.azure.cloud import AzureCloud

        return AzureCloud(Azurite(store), bus, gateway, bridge=bridge)
    raise LocalStackError(f"there is no cloud {name!r}", fix=f"choose {' or '.join(CLOUDS)}")


def cloud_at(address: Mapping[str, Any]) -> Cloud:
    """The cloud of a stack that runs somewhere else, by its `address`."""
    if address["name"] == "aws":
        from infra.local.aws.cloud import AwsCloud

        return AwsCloud(address["store"], address["gateway"])
    from infra.local.azure.azurite import Azurite
    from infra.local.azure.cloud import AzureCloud

    azurite = Azurite(address["store"], key=address["key"])
    return AzureCloud(azurite, address["bus"], address["gateway"])
