"""The description of the HTTP face, in OpenAPI 3.1; tests compare it with what is served."""

from typing import Any, Final

from voice_contract.messages import Phase

DEFAULT_HTTP_ADDRESS: Final = "127.0.0.1:9091"

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_FLAG: Final[Schema] = {"type": "boolean"}


def _or_null(schema: Schema, description: str) -> Schema:
    return {**schema, "type": [schema["type"], "null"], "description": description}


def _record(**properties: Schema) -> Schema:
    """An object that has exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


SCHEMAS: Final[dict[str, Schema]] = {
    "Session": _record(
        session_id=_TEXT,
        profile=_TEXT,
        peer={**_TEXT, "description": "Address of the edge the call came through"},
        phase={**_TEXT, "enum": [phase.value for phase in Phase]},
        started_at={**_TEXT, "format": "date-time"},
        age_s={**_COUNT, "description": "Seconds since it began"},
        turns={**_COUNT, "description": "Turns of the caller that were answered"},
        interruptions={**_COUNT, "description": "Times the caller interrupted the agent"},
        inference=_or_null(_TEXT, "Address of its inference node; null while it has none"),
        last_voice_to_voice_ms=_or_null(_COUNT, "Latency of its newest spoken turn; null before the first"),
    ),
    "Sessions": _record(sessions=_list_of("Session")),
    "HangingUp": _record(session_id=_TEXT, hanging_up=_FLAG),
    "Profile": _record(
        name=_TEXT,
        description=_TEXT,
        language={**_TEXT, "description": "BCP 47"},
        voice={**_TEXT, "description": "Empty: the placement's"},
        tools={"type": "array", "items": _TEXT},
        sha256={**_TEXT, "description": "Of the canonical content, defaults included"},
    ),
    "Profiles": _record(profiles=_list_of("Profile")),
    "Node": _record(
        address=_TEXT,
        healthy=_FLAG,
        sessions={**_COUNT, "description": "Sessions of this orchestrator"},
        free_slots=_or_null(_COUNT, "As the node last said; null before that"),
    ),
    "Health": _record(
        version=_TEXT,
        accepting={**_FLAG, "description": "Whether a session would be taken now, room provided"},
        slots={**_COUNT, "description": "Sessions that may run at the same time"},
        active={**_COUNT, "description": "Sessions that run"},
        nodes=_list_of("Node"),
    ),
    "Error": _record(error=_record(code=_TEXT, message=_TEXT)),
}

_SESSION_ID: Final = [
    {"name": "session_id", "in": "path", "required": True, "schema": _TEXT, "description": "As /v1/sessions tells it"}
]
_PROBE: Final = {"text/plain": {"schema": _TEXT}}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _answer(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}


def _operation(
    name: str, summary: str, answers: dict[str, Any], *, parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """An operation that needs the token wherever one is required."""
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters or [],
        "responses": {**answers, "default": {"$ref": "#/components/responses/Error"}},
    }


def _probe(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    """An operation that is open to everybody."""
    return {**_operation(name, summary, answers), "security": []}


def _paths() -> dict[str, Any]:
    missing = _answer("There is no such session", _json("Error"))
    return {
        "/healthz": {"get": _probe("healthz", "Whether the process runs", {"200": _answer("It does", _PROBE)})},
        "/readyz": {
            "get": _probe(
                "readyz",
                "Whether sessions are taken",
                {"200": _answer("They are", _PROBE), "503": _answer("It drains, or has no inference node", _PROBE)},
            )
        },
        "/metrics": {
            "get": _operation(
                "metrics",
                "Metrics for Prometheus",
                {
                    "200": _answer(
                        "OpenMetrics when that is asked for, else Prometheus' own format",
                        {"application/openmetrics-text": {"schema": _TEXT}, "text/plain": {"schema": _TEXT}},
                    )
                },
            )
        },
        "/v1/sessions": {
            "get": _operation(
                "listSessions", "The running sessions, oldest first", {"200": _answer("They", _json("Sessions"))}
            )
        },
        "/v1/sessions/{session_id}": {
            "get": _operation(
                "getSession",
                "One running session",
                {"200": _answer("It", _json("Session")), "404": missing},
                parameters=_SESSION_ID,
            ),
            "delete": _operation(
                "hangUp",
                "End a session politely; it is over a moment later",
                {"202": _answer("It is being ended", _json("HangingUp")), "404": missing},
                parameters=_SESSION_ID,
            ),
        },
        "/v1/profiles": {
            "get": _operation(
                "listProfiles", "The agents that can be called", {"200": _answer("They", _json("Profiles"))}
            )
        },
        "/v1/health": {
            "get": _operation("getHealth", "Version, room, inference nodes", {"200": _answer("They", _json("Health"))})
        },
        "/v1/openapi.json": {
            "get": _operation(
                "getDescription",
                "This description",
                {"200": _answer("It", {"application/json": {"schema": {"type": "object"}}})},
            )
        },
    }


def openapi_document(version: str) -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Voice orchestrator",
            "version": version,
            "description": (
                "For operators. Requests have no body. On loopback no token is asked for and the Host header must name "
                "this machine; elsewhere every request but the probes carries a bearer token."
            ),
        },
        "servers": [{"url": f"http://{DEFAULT_HTTP_ADDRESS}"}],
        "security": [{"token": []}, {}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": SCHEMAS,
            "responses": {"Error": _answer("The request was refused", _json("Error"))},
        },
    }
