"""Every notification channel, by the `kind` of its targets in the policies file.

A new one takes the class of its targets in core/domain/targets.py, a module here,
and a line below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.adapters.notifiers import apprise, opsgenie, pagerduty, slack, webhook
from core.adapters.notifiers.channel import Channel

CHANNELS: Final[Mapping[str, Channel[Any]]] = {
    "apprise": apprise.CHANNEL,
    "webhook": webhook.CHANNEL,
    "pagerduty": pagerduty.CHANNEL,
    "opsgenie": opsgenie.CHANNEL,
    "slack": slack.CHANNEL,
}
