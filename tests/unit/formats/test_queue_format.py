from __future__ import annotations

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.errors import SettingsError
from core.formats.shared.queue_format import QueueFormat, queue_format
from core.webhooks.presets import preset

SENT = "2026-03-04T09:15:27.000Z"


def read(text: str) -> QueueFormat:
    return queue_format(text, lambda name: preset(name).mapping.compiled())


def test_a_format_is_given_by_its_name() -> None:
    given = read("cloudwatch")
    assert given == QueueFormat("cloudwatch")
    assert (given.mapping, given.headers(SENT)) == (None, {})


def test_a_mapped_format_names_its_preset_which_deliveries_carry() -> None:
    given = read("mapped:zabbix")
    assert (given.format, given.preset) == ("mapped", "zabbix")
    assert given.mapping is not None
    assert given.mapping.source == "zabbix"
    assert given.headers(SENT) == {"tidegate-preset": "zabbix", "tidegate-received-at": SENT}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no such format; there are alertmanager, "),
        ("cloudwach", "there is no such format; did you mean cloudwatch?"),
        ("zzz", "there is no such format; there are alertmanager, azure_monitor, "),
        ("stored_event", "there is no such format; "),
        ("cloudwatch:x", "cloudwatch takes no preset; only mapped does"),
        ("mapped", "mapped needs a preset, as in mapped:zabbix"),
        ("mapped:", "mapped needs a preset, as in mapped:zabbix"),
        ("mapped:zabix", "there is no preset 'zabix'; did you mean zabbix?"),
        ("mapped:../x", "there is no preset '../x'; there are "),
    ],
)
def test_what_names_no_format_is_refused_with_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


def test_the_error_names_the_setting_and_the_entry() -> None:
    settings = Settings.from_env({"TIDEGATE_QUEUE_FORMATS": "orders=message,alarms=cloudwach"})
    with pytest.raises(SettingsError) as caught:
        bootstrap.queue_formats(settings)
    assert str(caught.value).startswith(
        "TIDEGATE_QUEUE_FORMATS: entry 2: there is no such format; "
        "did you mean cloudwatch? (correct TIDEGATE_QUEUE_FORMATS: "
    )


def test_other_queues_and_other_listeners_keep_their_format() -> None:
    settings = Settings(queue_formats=(("alarms", "cloudwatch"),))
    chosen = [
        bootstrap.format_of_queue(settings, queue, listener).format
        for queue, listener in (("alarms", "message"), ("orders", "message"), ("alarms", "s3"))
    ]
    assert chosen == ["cloudwatch", "message", "s3"]
