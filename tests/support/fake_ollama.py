"""A small Ollama server: the part of its HTTP API that the adapter uses, doing what a test says."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from support.local_server import LocalServer, drop_connection

HANG, DROP, END = "hang", "drop the connection", "end without being done"


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """An error in the middle of a stream."""

    text: str


class FakeOllama(LocalServer):
    """`models` are there; a reply is `pieces`, then what `then` says: HANG, DROP, END, an ErrorLine, or done.

    Between the pieces and the end come the requests for tools, `calls`: names and arguments.
    With `priming` HANG a prompt that is only to be evaluated is never done.
    """

    def __init__(
        self,
        *,
        models: tuple[str, ...] = ("qwen2.5:3b",),
        pieces: tuple[str, ...] = (),
        then: str | ErrorLine = "",
        calls: tuple[tuple[str, dict[str, Any]], ...] = (),
        done_reason: str = "stop",
        status: int = 200,
        priming: str = "",
    ) -> None:
        self.models, self.pieces, self.then, self.done_reason, self.status = models, pieces, then, done_reason, status
        self.calls, self.priming = calls, priming
        self.chats: list[dict[str, Any]] = []
        self.loaded: list[dict[str, Any]] = []
        self.streaming = 0
        self.left = 0
        super().__init__(
            web.get("/api/tags", self._tags),
            web.post("/api/generate", self._generate),
            web.post("/api/chat", self._chat),
        )

    async def _tags(self, _: web.Request) -> web.Response:
        if self.status != 200:
            return web.json_response({"error": "refused"}, status=self.status)
        return web.json_response({"models": [{"name": name, "model": name} for name in self.models]})

    async def _generate(self, request: web.Request) -> web.Response:
        self.loaded.append(await request.json())
        return web.json_response({"model": self.loaded[-1]["model"], "response": "", "done": True})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.chats.append(asked)
        if self.status != 200:
            return web.json_response({"error": "refused"}, status=self.status)
        if asked["model"] not in self.models:
            return web.json_response({"error": f"model '{asked['model']}' not found"}, status=404)
        if not asked.get("stream"):
            if self.priming == HANG:
                await asyncio.get_running_loop().create_future()
            return web.json_response(self._part("", done=True))
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
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
        for piece in self.pieces:
            await _write(response, self._part(piece))
        for name, arguments in self.calls:
            part = self._part("")
            part["message"]["tool_calls"] = [{"function": {"name": name, "arguments": arguments}}]
            await _write(response, part)
        if isinstance(self.then, ErrorLine):
            await _write(response, {"error": self.then.text})
        elif self.then == HANG:
            await asyncio.get_running_loop().create_future()
        elif self.then == DROP:
            await drop_connection(request)
        elif self.then != END:
            await _write(response, self._part("", done=True))

    def _part(self, text: str, *, done: bool = False) -> dict[str, Any]:
        part = {"model": self.models[0], "message": {"role": "assistant", "content": text}, "done": done}
        if done:
            part |= {"done_reason": self.done_reason, "prompt_eval_count": 11, "eval_count": len(self.pieces)}
        return part


async def _write(response: web.StreamResponse, line: dict[str, Any]) -> None:
    await response.write(json.dumps(line).encode() + b"\n")
