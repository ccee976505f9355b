"""What comes from the edge: caller sound to the inference link, everything else to the mailbox."""

from voice_contract.audio import SAMPLE_BYTES
from voice_contract.messages import (
    Audio,
    Dtmf,
    Event,
    HangUp,
    Heartbeat,
    PlayoutPosition,
    Speaker,
    TalkPressed,
    TalkReleased,
    Transcript,
)
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.inference_link import InferenceLink
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort
from voice_orchestrator.runtime.sound_watch import SoundWatch
from voice_orchestrator.session import events


class ReceivePump:
    """Reads the edge's stream until it ends."""

    def __init__(
        self,
        edge: EdgePort,
        link: InferenceLink,
        mailbox: Mailbox,
        clock: SessionClock,
        media: MediaClock,
        watch: SoundWatch,
    ) -> None:
        self._edge = edge
        self._link = link
        self._mailbox = mailbox
        self._clock = clock
        self._media = media
        self._watch = watch

    async def run(self) -> None:
        """Pumps until the edge's stream ends, which is reported."""
        while True:
            try:
                event = await self._edge.receive()
            except EdgeGoneError as error:
                await self._mailbox.put(events.EdgeLost(at_ms=self._clock.now_ms(), detail=str(error)))
                return
            if isinstance(event.payload, Audio):
                self._accept_sound(event.payload)
            elif not isinstance(event.payload, Heartbeat):
                await self._mailbox.put(self._translate(event))

    def _accept_sound(self, audio: Audio) -> None:
        end = audio.offset_samples + len(audio.pcm) // SAMPLE_BYTES
        self._media.arrived(end, self._clock.now_s() * 1_000)
        self._watch.arrived(end)
        self._link.send_audio(audio)

    def _translate(self, event: Event) -> events.SessionEvent:
        """What a message of the edge means to the session core; one that does not come from an edge ends the call."""
        now_ms = self._clock.now_ms()
        match event.payload:
            case Transcript(speaker=Speaker.CALLER, text=text):
                return events.CallerTyped(at_ms=now_ms, text=text)
            case PlayoutPosition(played_samples=played):
                return events.PlayoutReported(at_ms=now_ms, run_id=event.run_id, played_samples=played)
            case Dtmf(key=key):
                return events.CallerKeyed(at_ms=now_ms, key=key)
            case TalkPressed(offset_samples=offset):
                spoken_at_ms = self._spoken_at_ms(offset, now_ms)
                return events.TalkPressed(at_ms=now_ms, offset_samples=offset, spoken_at_ms=spoken_at_ms)
            case TalkReleased(offset_samples=offset):
                spoken_at_ms = self._spoken_at_ms(offset, now_ms)
                return events.TalkReleased(at_ms=now_ms, offset_samples=offset, spoken_at_ms=spoken_at_ms)
            case HangUp():
                return events.CallerHungUp(at_ms=now_ms)
            case other:
                detail = f"{type(other).__name__} does not come from an edge"
                return events.EdgeLost(at_ms=now_ms, detail=detail)

    def _spoken_at_ms(self, offset_samples: int, now_ms: int) -> int:
        """When the button was pressed or let go: now, before any sound came, and never in the future."""
        return min(self._media.spoken_at_ms(offset_samples) or now_ms, now_ms)
