"""Answers of the HTTP face: JSON documents, and errors of one stable shape."""

import json
from typing import Any, Final

from aiohttp import web

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "voice-orchestrator"}
"""On every answer; the library's own Server header would name its version and Python's."""

CODES: Final = {
    400: ("bad_request", "this is not an HTTP request that can be understood"),
    401: ("unauthorized", "a bearer token is required: Authorization: Bearer TOKEN"),
    403: ("foreign_host", "the Host header does not name this machine"),
    404: ("not_found", "there is nothing at this path; see /v1/openapi.json"),
    405: ("method_not_allowed", "the path does not take this method; see /v1/openapi.json"),
    413: ("body_not_allowed", "no request has a body here"),
    417: ("expectation_failed", "the Expect header asks for something unknown"),
    500: ("internal", "something broke while answering; see the log"),
    505: ("version_not_supported", "only HTTP/1.0 and HTTP/1.1 are spoken"),
}
"""What an error is called and means, by HTTP status; where a path knows better it says so itself."""


def document(body: dict[str, Any], status: int = 200) -> web.Response:
    """`body` as JSON."""
    return web.Response(
        body=json.dumps(body, ensure_ascii=False, allow_nan=False).encode() + b"\n",
        status=status,
        content_type="application/json",
        headers=HEADERS,
    )


def plain_text(text: str, status: int = 200) -> web.Response:
    """A line for a probe."""
    return web.Response(text=f"{text}\n", status=status, headers=HEADERS)


def error_body(status: int, code: str | None = None, message: str | None = None) -> dict[str, Any]:
    """The one shape of errors; code and message default to those of the status."""
    plain_code, plain_message = CODES.get(status, ("error", "the request was refused"))
    return {"error": {"code": code or plain_code, "message": message or plain_message}}


def error(status: int, code: str | None = None, message: str | None = None) -> web.Response:
    """An error as an answer."""
    return document(error_body(status, code, message), status)
