"""A small server of the OpenAI chat API: the part that the adapter uses, doing what a test says."""

import asyncio
import json
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from aiohttp import web
from support.local_server import LocalServer, drop_connection

HANG, DROP, END = "hang", "drop the connection", "end without a word"


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error in the middle of a stream."""

    text: str


class FakeOpenAi(LocalServer):
    """`models` are there; a reply is `pieces`, then what `then` says: HANG, DROP, END, an ErrorEvent, or its end.

    Between the pieces and the end come the requests for tools, `calls`, each a name and the pieces of its arguments;
    the pieces of several requests take turns.
    With a `key`, requests without it are refused.
    """

    def __init__(
        self,
        *,
        models: tuple[str, ...] = ("qwen2.5-3b",),
        pieces: tuple[str, ...] = (),
        then: str | ErrorEvent = "",
        calls: tuple[tuple[str, tuple[str, ...]], ...] = (),
        finish_reason: str = "stop",
        tells_usage: bool = True,
        key: str = "",
        status: int = 200,
    ) -> None:
        self.models, self.pieces, self.then, self.key, self.status = models, pieces, then, key, status
        self.calls, self.finish_reason, self.tells_usage = calls, finish_reason, tells_usage
        self.chats: list[dict[str, Any]] = []
        self.streaming = 0
        self.left = 0
        super().__init__(web.get("/v1/models", self._list), web.post("/v1/chat/completions", self._chat))

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "bad key"}}, status=401)
        if self.status != 200:
            return web.json_response({"error": {"message": "refused"}}, status=self.status)
        return None

    async def _list(self, request: web.Request) -> web.Response:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self.models]
        return self._refusal(request) or web.json_response({"object": "list", "data": models})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.chats.append(asked)
        if refusal := self._refusal(request):
            return refusal
        if asked["model"] not in self.models:
            return web.json_response({"error": {"message": "no such model"}}, status=404)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.streaming += 1
        try:
            await self._stream(request, response)
        except (asyncio.CancelledError, ConnectionError):
            self.left += 1
            raise
        finally:
            self.streaming -= 1
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await _write(response, _chunk({"role": "assistant", "content": ""}))
        for piece in self.pieces:
            await _write(response, _chunk({"content": piece}))
        for delta in self._call_deltas():
            await _write(response, _chunk({"tool_calls": [delta]}))
        if isinstance(self.then, ErrorEvent):
            await _write(response, {"error": {"message": self.then.text}})
        elif self.then == HANG:
            await asyncio.get_running_loop().create_future()
        elif self.then == DROP:
            await drop_connection(request)
        elif self.then != END:
            await _write(response, _chunk({}, self.finish_reason))
            if self.tells_usage:
                await _write(response, {**_chunk({}), "choices": [], "usage": self._usage()})
            await response.write(b"data: [DONE]\n\n")

    def _call_deltas(self) -> list[dict[str, Any]]:
        begin = [
            {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
            for index, (name, _) in enumerate(self.calls)
        ]
        pieces = zip_longest(*(pieces for _, pieces in self.calls))
        return begin + [
            {"index": index, "function": {"arguments": piece}}
            for turn in pieces
            for index, piece in enumerate(turn)
            if piece is not None
        ]

    def _usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": 11,
            "completion_tokens": 2 * len(self.pieces),
            "total_tokens": 11 + 2 * len(self.pieces),
            "prompt_tokens_details": {"cached_tokens": 5},
        }


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "any",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


async def _write(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
