"""What every listener loads, before anything else does: see `core.cold_start`."""

from __future__ import annotations

from core.cold_start import at_rest

with at_rest():
    import aws_lambda_powertools  # noqa: F401  loaded here, used elsewhere

    import core.adapters.documents.router
    import core.adapters.temporal.workflows
    import core.config.routing_table
    import core.formats.shared.queue_format  # noqa: F401
