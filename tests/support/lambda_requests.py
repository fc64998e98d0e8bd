"""HTTP requests as API Gateway's HTTP APIs and function URLs pass them to a function: payload 2.0.

Source: Amazon API Gateway, "Working with AWS Lambda proxy integrations for HTTP APIs".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any


def http_request(
    method: str, path: str, *, body: str = "", headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The event of a request to a path. A body is encoded, as API Gateway does it with a form's."""
    host = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /{path+}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "host": host,
            "user-agent": "Mozilla/5.0",
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            **(headers or {}),
        },
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "a1b2c3d4e5",
            "domainName": host,
            "domainPrefix": "a1b2c3d4e5",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "Mozilla/5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /{path+}",
            "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000",
            "timeEpoch": 1773119783390,
        },
        "pathParameters": {"path": path.removeprefix("/")},
        "isBase64Encoded": bool(body),
    }
    if body:
        event["body"] = base64.b64encode(body.encode()).decode()
        event["headers"]["content-type"] = "application/x-www-form-urlencoded"
    return event
