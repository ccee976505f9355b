"""What operators ask over HTTP: the sessions, one of them, its end; profiles; health; the description of all this."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from aiohttp import web

from voice_orchestrator.service.directory import NodeInfo, ProfileInfo, SessionDirectory, SessionInfo
from voice_orchestrator.service.http_answers import document, error
from voice_orchestrator.service.openapi import openapi_document

log = structlog.get_logger(__name__)


class Rest:
    """Answers from the directory; `now` gives the time of day."""

    def __init__(self, directory: SessionDirectory, version: str, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._version = version
        self._now = now
        self._description = openapi_document(version)

    def routes(self) -> list[web.RouteDef]:
        """What is served, as openapi.py describes it."""
        return [
            web.get("/v1/sessions", self._get_sessions),
            web.get("/v1/sessions/{session_id}", self._get_session),
            web.delete("/v1/sessions/{session_id}", self._delete_session),
            web.get("/v1/profiles", self._get_profiles),
            web.get("/v1/health", self._get_health),
            web.get("/v1/openapi.json", self._get_description),
        ]

    async def _get_sessions(self, request: web.Request) -> web.Response:
        del request
        now = self._now()
        return document({"sessions": [_session(info, now) for info in self._directory.sessions()]})

    async def _get_session(self, request: web.Request) -> web.Response:
        info = self._directory.find(request.match_info["session_id"])
        return _no_such_session() if info is None else document(_session(info, self._now()))

    async def _delete_session(self, request: web.Request) -> web.Response:
        session_id = request.match_info["session_id"]
        if not self._directory.hang_up(session_id):
            return _no_such_session()
        log.info("session_hung_up_by_operator", session=session_id, peer=request.remote)
        return document({"session_id": session_id, "hanging_up": True}, status=202)

    async def _get_profiles(self, request: web.Request) -> web.Response:
        del request
        return document({"profiles": [_profile(info) for info in self._directory.profiles()]})

    async def _get_health(self, request: web.Request) -> web.Response:
        del request
        directory = self._directory
        return document(
            {
                "version": self._version,
                "accepting": directory.accepting,
                "slots": directory.slots,
                "active": len(directory.sessions()),
                "nodes": [_node(info) for info in directory.nodes()],
            }
        )

    async def _get_description(self, request: web.Request) -> web.Response:
        del request
        return document(self._description)


def _no_such_session() -> web.Response:
    return error(404, "session_not_found", "there is no such session; it may have ended")


def _session(info: SessionInfo, now: datetime) -> dict[str, Any]:
    return {
        "session_id": info.session_id,
        "profile": info.profile,
        "peer": info.peer,
        "phase": info.phase.value,
        "started_at": info.started_at.isoformat(timespec="milliseconds"),
        "age_s": max(0, int((now - info.started_at).total_seconds())),
        "turns": info.turns,
        "interruptions": info.interruptions,
        "inference": info.inference or None,
        "last_voice_to_voice_ms": info.last_voice_to_voice_ms,
    }


def _profile(info: ProfileInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "description": info.description,
        "language": info.language,
        "voice": info.voice,
        "tools": list(info.tools),
        "sha256": info.sha256,
    }


def _node(info: NodeInfo) -> dict[str, Any]:
    return {
        "address": info.address,
        "healthy": info.healthy,
        "sessions": info.sessions,
        "free_slots": info.free_slots,
    }
