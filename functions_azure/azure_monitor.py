"""Azure Monitor through OpenTelemetry: metrics, and log records with queryable attributes.

Loaded only where a connection string is set. The host forwards whatever a function logs, but only
as text; so records of our own logger are exported here, with their attributes, and do not go
through the host a second time. The exporter itself reads the credentials that the resource may
require (APPLICATIONINSIGHTS_AUTHENTICATION_STRING).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Final

from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter, AzureMonitorMetricExporter
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import SERVICE_NAME, Resource

from core.intake.receipts import DELIVERY_COUNT, EVENT_AGE, METRICS, REFUSED

_COUNTERS: Final = (*METRICS.values(), REFUSED)
_UNITS: Final = {EVENT_AGE: "ms", DELIVERY_COUNT: "1"}
_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
)


class AzureMonitor:
    """The instruments by metric name, and the exporters of metrics and log."""

    def __init__(self, reader: MetricReader, exporter: LogRecordExporter) -> None:
        resource = Resource.create({SERVICE_NAME: os.environ.get("WEBSITE_SITE_NAME", "tidegate")})
        # The SDK lowercases the names of instruments, but not those of views.
        views = [View(instrument_name=name.lower(), name=name) for name in (*_COUNTERS, *_UNITS)]
        self._metrics = MeterProvider(metric_readers=[reader], resource=resource, views=views)
        self._logs = LoggerProvider(resource=resource)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(exporter))
        meter = self._metrics.get_meter("Tidegate")
        self._counters = {name: meter.create_counter(name) for name in _COUNTERS}
        self._histograms = {n: meter.create_histogram(n, unit=unit) for n, unit in _UNITS.items()}
        self.handler = ReceiptHandler(self._logs.get_logger("tidegate"))

    def count(self, name: str, value: int) -> None:
        self._counters[name].add(value)

    def observe(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        self._histograms[name].record(value, attributes)

    def stop(self) -> None:
        """Send what is left, and end the exporting threads."""
        self._metrics.shutdown()
        self._logs.shutdown()


class ReceiptHandler(logging.Handler):
    """Exports log records with the fields of their receipt or request as attributes."""

    def __init__(self, to: Logger) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "receipt", None) or getattr(record, "request", None) or {}
        self._to.emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_number=_severity(record.levelno),
                severity_text=record.levelname,
                body=record.getMessage(),
                attributes={name: value for name, value in fields.items() if value is not None},
            )
        )


def start(connection: str, log: logging.Logger) -> AzureMonitor:
    """Send metrics, and what is logged to `log`, to the resource of the connection string."""
    # What could not be sent is dropped: the disk is lost with the instance, and the record of
    # every event is its workflow.
    how = {"connection_string": connection, "disable_offline_storage": True}
    monitor = AzureMonitor(
        PeriodicExportingMetricReader(AzureMonitorMetricExporter(**how)),
        AzureMonitorLogExporter(**how),
    )
    log.addHandler(monitor.handler)
    log.addHandler(ToTheHost(logging.WARNING))
    log.propagate = False
    return monitor


class ToTheHost(logging.Handler):
    """Sends warnings through the host as well: the exporter may be what is broken."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().callHandlers(record)


def _severity(level: int) -> SeverityNumber:
    return next((severity for at, severity in _SEVERITIES if level >= at), SeverityNumber.DEBUG)
