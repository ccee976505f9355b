"""The tools of a profile: HTTP services of the operator that the model may ask for."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from voice_orchestrator.profiles.section import Section, refusal
from voice_orchestrator.session.policy import ToolPolicy

SCHEMA_CHARS_MAX: Final = 8_000
TOO_DEEP: Final = "is nested too deeply"
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_RESERVED_HEADERS: Final = frozenset({"idempotency-key", "content-type", "content-length", "transfer-encoding", "host"})


class Tool(Section):
    """A tool: its service is sent {"call_id", "arguments"} and answers with at most 16 KiB of text."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(description="What the model calls it")
    description: Annotated[str, Field(min_length=1, max_length=1_000)] = Field(
        description="When the model should ask for it, and what comes back"
    )
    parameters: dict[str, Any] = Field(
        default={"type": "object", "properties": {}},
        description="JSON Schema of its arguments, which are an object; checked before the service is asked",
    )
    url: Annotated[str, Field(min_length=1, max_length=2_000)] = Field(
        description="http or https address of the service; redirects are not followed"
    )
    method: Literal["POST"] = Field(default="POST", description="How the service is asked")
    timeout_ms: int = Field(
        default=ToolPolicy().timeout_ms,
        ge=100,
        le=60_000,
        description="An answer later than this is not waited for, ms",
    )
    headers: dict[str, SecretStr] = Field(
        default={},
        max_length=20,
        description="Headers of the request; write secrets as ${NAME}, taken from the environment",
    )

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        # The address itself is not repeated: it may have come from the environment.
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(sign.isspace() or not sign.isprintable() for sign in url):
            raise refusal("must be an address like https://host/path")
        if parts.username is not None or parts.password is not None:
            raise refusal("must not hold a user or password; send them in headers")
        return url

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise refusal(f"{name!r} is no name of a header")
            if name.lower() in _RESERVED_HEADERS:
                raise refusal(f"the header {name} is set by the runtime")
            text = value.get_secret_value()
            if not text.isascii() or not text.isprintable() or text != text.strip():
                raise refusal(f"the value of {name} must be printable ASCII without space around it")
        return headers

    @field_validator("parameters")
    @classmethod
    def _schema(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters.get("type") != "object":
            raise refusal("must be a JSON Schema with type: object")
        try:
            text = canonical_schema(parameters)
            text.encode()
        except (TypeError, ValueError):
            raise refusal("must hold nothing but JSON: a date, for example, needs quotes") from None
        except RecursionError:
            raise refusal(TOO_DEEP) from None
        if len(text) > SCHEMA_CHARS_MAX:
            raise refusal(f"must be at most {SCHEMA_CHARS_MAX} characters of JSON")
        # Read back, keys that YAML took for numbers are texts, as they are for whoever gets the JSON.
        plain: dict[str, Any] = json.loads(text)
        _check_schema(plain)
        return plain


def canonical_schema(parameters: Mapping[str, Any]) -> str:
    """The schema as JSON with sorted keys: equal schemas give equal prompts."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _check_schema(parameters: dict[str, Any]) -> None:
    # Here and not at the top: most profiles have no tools, and the library takes its time to load.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    for reference in _references(parameters):
        if not reference.startswith("#"):
            raise refusal(f"$ref {reference} must begin with #: nothing is fetched")
    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        raise refusal(f"is no JSON Schema: {error.json_path}: {error.message}") from None
    except RecursionError:
        raise refusal(TOO_DEEP) from None
    except OverflowError as error:  # of the repetitions of a pattern
        raise refusal(f"is no JSON Schema: {error}") from None


def _references(part: object) -> list[str]:
    """Every $ref inside a schema."""
    if isinstance(part, dict):
        own = [value for key, value in part.items() if key == "$ref" and isinstance(value, str)]
        return own + [reference for value in part.values() for reference in _references(value)]
    if isinstance(part, list):
        return [reference for value in part for reference in _references(value)]
    return []
