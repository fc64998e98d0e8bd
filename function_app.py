"""Where the Functions host looks for the app: beside host.json, under this name."""

from functions_azure.app import app

__all__ = ["app"]
