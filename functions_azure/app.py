"""The function app: every function of Tidegate on Azure.

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

# The worker forwards what is logged at INFO, where the SDKs log every request.
logging.getLogger("azure").setLevel(logging.WARNING)

telemetry.meter()
