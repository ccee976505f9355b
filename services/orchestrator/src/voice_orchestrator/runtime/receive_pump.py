"""What comes from the edge: caller sound to the inference link, everything else to the mailbox."""

from voice_contract.audio import SAMPLE_BYTES
from voice_contract.messages import Audio, Event, HangUp, Heartbeat, PlayoutPosition, Speaker, Transcript
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.inference_link import InferenceLink
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort
from voice_orchestrator.session import events


class ReceivePump:
    """Reads the edge's stream until it ends."""

    def __init__(
        self, edge: EdgePort, link: InferenceLink, mailbox: Mailbox, clock: SessionClock, media: MediaClock
    ) -> None:
        self._edge = edge
        self._link = link
        self._mailbox = mailbox
        self._clock = clock
        self._media = media

    async def run(self) -> None:
        """Pumps until the edge's stream ends, which is reported."""
        while True:
            try:
                event = await self._edge.receive()
            except EdgeGoneError as error:
                await self._mailbox.put(events.EdgeLost(at_ms=self._clock.now_ms(), detail=str(error)))
                return
            await self._accept(event)

    async def _accept(self, event: Event) -> None:
        now_ms = self._clock.now_ms()
        match event.payload:
            case Audio() as audio:
                end = audio.offset_samples + len(audio.pcm) // SAMPLE_BYTES
                self._media.arrived(end, self._clock.now_s() * 1_000)
                self._link.send_audio(audio)
            case Transcript(speaker=Speaker.CALLER, text=text):
                await self._mailbox.put(events.CallerTyped(at_ms=now_ms, text=text))
            case PlayoutPosition(played_samples=played):
                report = events.PlayoutReported(at_ms=now_ms, run_id=event.run_id, played_samples=played)
                await self._mailbox.put(report)
            case HangUp():
                await self._mailbox.put(events.CallerHungUp(at_ms=now_ms))
            case Heartbeat():
                pass
            case other:
                detail = f"{type(other).__name__} does not come from an edge"
                await self._mailbox.put(events.EdgeLost(at_ms=now_ms, detail=detail))
