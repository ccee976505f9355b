"""Tools that are HTTP services of the operator: one POST of a JSON object, answered with text.

The body is {"call_id": KEY, "arguments": {...}}, and the header Idempotency-Key holds the same KEY, which is unique to
the call: a service that sees it twice has been asked twice. Arguments are checked against the tool's JSON Schema before
anything is sent. Redirects are not followed, proxies of the environment are not used, and an answer longer than 16 KiB
is refused rather than cut, because half an answer can mean something else.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from voice_contract.failures import FailureReason
from voice_orchestrator.runtime.ports import ToolError

ANSWER_BYTES_MAX: Final = 16 << 10
DETAIL_CHARS_MAX: Final = 200
CONNECTIONS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTool:
    """One tool. `parameters` is the JSON Schema of its arguments; `headers` may hold secrets and are not shown."""

    name: str
    url: str
    parameters: Mapping[str, Any]
    timeout_ms: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class HttpTools:
    """Implements ToolPort. Making it reads certificates from disk, so it is made off the event loop."""

    def __init__(self, tools: Sequence[HttpTool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        # A registry of its own: the library's default one would fetch what a schema names from the network.
        self._schemas = {tool.name: Draft202012Validator(dict(tool.parameters), registry=Registry()) for tool in tools}
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # `call` bounds every request as a whole
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )

    async def call(self, name: str, arguments: str, idempotency_key: str) -> str:
        """See ToolPort."""
        tool = self._tools.get(name)
        if tool is None:
            raise ToolError(FailureReason.TOOL_UNKNOWN, "there is no such tool")
        body = {"call_id": idempotency_key, "arguments": self._checked(name, arguments)}
        try:
            async with asyncio.timeout(tool.timeout_ms / 1_000):
                status, answer = await self._post(tool, body, idempotency_key)
        except TimeoutError:
            detail = f"the tool did not answer within {tool.timeout_ms} ms"
            raise ToolError(FailureReason.DEADLINE_EXCEEDED, detail) from None
        except httpx.ConnectError:
            raise ToolError(FailureReason.TOOL_FAILED, "the tool's service cannot be reached") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            # The text of these errors can hold the address, and with it a secret.
            detail = f"the tool's service broke the connection ({type(error).__name__})"
            raise ToolError(FailureReason.TOOL_FAILED, detail) from None
        text = answer.decode("utf-8", "replace")
        if 300 <= status < 400:
            raise ToolError(FailureReason.TOOL_FAILED, f"the tool answered {status}, redirects are not followed")
        if not 200 <= status < 300:
            raise ToolError(FailureReason.TOOL_FAILED, f"the tool answered {status}: {_shortened(text)}".rstrip(": "))
        return text

    async def close(self) -> None:
        """See ToolPort."""
        await self._client.aclose()

    async def _post(self, tool: HttpTool, body: dict[str, Any], key: str) -> tuple[int, bytes]:
        headers = httpx.Headers(dict(tool.headers))
        headers["Idempotency-Key"] = key
        async with self._client.stream("POST", tool.url, json=body, headers=headers) as response:
            answer = bytearray()
            async for piece in response.aiter_bytes():
                answer += piece
                if len(answer) > ANSWER_BYTES_MAX:
                    detail = f"the tool's answer is longer than {ANSWER_BYTES_MAX >> 10} KiB"
                    raise ToolError(FailureReason.TOOL_FAILED, detail)
            return response.status_code, bytes(answer)

    def _checked(self, name: str, arguments: str) -> dict[str, Any]:
        try:
            parsed = json.loads(arguments or "{}")
        except ValueError:
            raise ToolError(FailureReason.TOOL_FAILED, "the arguments are not JSON") from None
        if not isinstance(parsed, dict):
            raise ToolError(FailureReason.TOOL_FAILED, "the arguments are not a JSON object")
        try:
            problem = best_match(self._schemas[name].iter_errors(parsed))
        except Unresolvable:
            raise ToolError(FailureReason.TOOL_FAILED, "the tool's schema names what is not in it") from None
        if problem is not None:
            detail = f"the arguments do not fit, {problem.json_path}: {_shortened(problem.message)}"
            raise ToolError(FailureReason.TOOL_FAILED, detail)
        return parsed


def _shortened(text: str) -> str:
    """At most 200 characters of `text`, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_CHARS_MAX else f"{line[:DETAIL_CHARS_MAX]}…"
