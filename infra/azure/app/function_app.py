"""The entry point of the Functions host, which looks for this file beside host.json."""

from functions_azure.application import app

__all__ = ["app"]
