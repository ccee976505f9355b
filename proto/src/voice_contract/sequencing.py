"""Numbers outgoing events and checks that incoming ones follow each other."""

from collections.abc import Callable

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import Event, Payload


class EventSequencer:
    """Makes the events of one sender on one stream; `monotonic_us` is the sender's clock."""

    def __init__(self, session_id: str, monotonic_us: Callable[[], int]) -> None:
        self.session_id = session_id
        self._monotonic_us = monotonic_us
        self._last = 0

    def make(self, payload: Payload, run_id: int = 0) -> Event:
        """The next event, numbered from 1."""
        self._last += 1
        return Event(
            session_id=self.session_id,
            sequence=self._last,
            sender_monotonic_us=self._monotonic_us(),
            payload=payload,
            run_id=run_id,
        )


class SequenceGuard:
    """Refuses a stream whose count jumps."""

    def __init__(self) -> None:
        self._last = 0

    def accept(self, event: Event) -> None:
        """Raises VoiceAgentError INVALID_MESSAGE unless `event` follows the one before."""
        if event.sequence != self._last + 1:
            detail = f"sequence: {event.sequence} does not follow {self._last}"
            raise VoiceAgentError(Failure(stage=Stage.LINK, reason=FailureReason.INVALID_MESSAGE, detail=detail))
        self._last = event.sequence
