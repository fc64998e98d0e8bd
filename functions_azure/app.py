"""The function app: every function of Tidegate on Azure, as the host finds them.

A function whose queue or topic is not set up is switched off by the host's own setting
`AzureWebJobs.<function>.Disabled`.
"""

from __future__ import annotations

import logging

import azure.functions as func

from functions_azure import blob_listener, health, message_listener, telemetry, webhook_listener

app = func.FunctionApp()
for module in (blob_listener, message_listener, webhook_listener, health):
    app.register_functions(module.blueprint)

# The worker passes on what is logged at INFO, and the SDKs log every request of theirs there.
logging.getLogger("azure").setLevel(logging.WARNING)

telemetry.meter()
