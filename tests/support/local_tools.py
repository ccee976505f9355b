"""A service with tools on a free port of this machine, as an operator would run one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from support.local_server import LocalServer

Answer = Callable[[], web.Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came."""

    headers: dict[str, str]
    body: Any


@dataclass(slots=True, kw_only=True)
class LocalTools:
    """Serves POST /tool with `answer`, when `answering` is set. `at_work_max`: most requests at the same time."""

    answer: Answer = lambda: web.Response(text="sunny, 21 degrees")
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Asked] = field(default_factory=list)
    at_work: int = 0
    at_work_max: int = 0
    given_up: int = 0
    schemas_shown: int = 0

    def server(self) -> LocalServer:
        """The server, to be entered."""
        return LocalServer(
            web.post("/tool", self._serve), web.post("/elsewhere", self._serve), web.get("/schema", self._show_schema)
        )

    async def _show_schema(self, request: web.Request) -> web.Response:
        del request
        self.schemas_shown += 1
        return web.json_response({"type": "string"})

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked.append(Asked(headers=dict(request.headers), body=await request.json()))
        self.at_work += 1
        self.at_work_max = max(self.at_work_max, self.at_work)
        try:
            await self.answering.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.at_work -= 1
        return self.answer()


def answering(answer: Answer | None = None) -> LocalTools:
    """Tools that answer at once."""
    tools = LocalTools() if answer is None else LocalTools(answer=answer)
    tools.answering.set()
    return tools
