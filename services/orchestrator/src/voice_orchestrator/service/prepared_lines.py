"""Sound of the lines that are said while there is no inference node: made once per agent, when there is one."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import (
    Audio,
    AudioFormat,
    Heartbeat,
    SessionClose,
    SessionConfigure,
    SynthesisEnded,
    Synthesize,
)
from voice_orchestrator.runtime.ports import InferenceConnector, InferenceStream, StreamLostError
from voice_orchestrator.session.policy import SessionPolicy

TRY_AGAIN_S: Final = 2.0
SYNTHESIS_DEADLINE_S: Final = 15.0
LINE_BYTES_MAX: Final = 20 * SAMPLE_RATE_HZ * SAMPLE_BYTES
"""A longer line is none to wait with."""

log = structlog.get_logger(__name__)


class LineShelf:
    """Implements PreparedLines for one agent."""

    def __init__(self) -> None:
        self._sounds: dict[str, bytes] = {}

    def sound(self, text: str) -> bytes | None:
        """See PreparedLines."""
        return self._sounds.get(text)

    def put(self, text: str, pcm: bytes) -> None:
        """The sound of a line."""
        self._sounds[text] = pcm


class LinePreparer:
    """Has the lines of every agent spoken once. `run` ends when all of them are there."""

    def __init__(self, policies: Mapping[str, SessionPolicy], connector: InferenceConnector) -> None:
        self._wanted = {name: policy for name, policy in policies.items() if policy.recovery.node_lost}
        self._connector = connector
        self._shelves = {name: LineShelf() for name in policies}

    def shelf(self, profile: str) -> LineShelf:
        """What there is of an agent's lines, also later."""
        return self._shelves[profile]

    async def run(self) -> None:
        """Tries until every line is there, one agent after the other."""
        for name, policy in self._wanted.items():
            while self._shelves[name].sound(policy.recovery.node_lost) is None:
                try:
                    pcm = await self._speak(policy)
                    self._shelves[name].put(policy.recovery.node_lost, pcm)
                except (StreamLostError, TimeoutError) as error:
                    log.info("line_not_prepared", profile=name, detail=str(error))
                    await asyncio.sleep(TRY_AGAIN_S)

    async def _speak(self, policy: SessionPolicy) -> bytes:
        configure = SessionConfigure(
            caller_format=None, agent_format=AudioFormat(), language=policy.language, voice=policy.voice, vad=None
        )
        stream = await self._connector.open("prepared-lines", configure)
        line = Synthesize(segment_index=0, text=policy.recovery.node_lost, speaking_rate=policy.speaking_rate)
        try:
            await stream.send(line, 1)
            async with asyncio.timeout(SYNTHESIS_DEADLINE_S), asyncio.TaskGroup() as group:
                # Alone in writing from here on: a stream takes one message at a time.
                beating = group.create_task(_beat(stream), name="prepared-lines-heartbeat")
                pcm = await _spoken(stream)
                beating.cancel()
            await stream.send(SessionClose())
        except* StreamLostError as lost:
            raise StreamLostError(FailureReason.INFERENCE_LOST, str(lost.exceptions[0])) from None
        finally:
            await stream.close()
        return pcm


async def _beat(stream: InferenceStream) -> None:
    while True:
        await stream.send(Heartbeat())
        await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1_000)


async def _spoken(stream: InferenceStream) -> bytes:
    pcm = bytearray()
    while True:
        payload = (await stream.receive()).payload
        if isinstance(payload, Audio):
            pcm += payload.pcm[: LINE_BYTES_MAX - len(pcm)]
        elif isinstance(payload, Failure):
            raise StreamLostError(payload.reason, payload.detail)
        elif isinstance(payload, SynthesisEnded):
            return bytes(pcm)
