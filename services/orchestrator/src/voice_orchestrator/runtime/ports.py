"""What a session needs of the world, as Protocols small enough to be faked honestly."""

from typing import Protocol

from voice_contract.failures import FailureReason
from voice_contract.messages import Event, Payload, SessionConfigure, SessionReady
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.reducer import Transition


class EdgeGoneError(Exception):
    """The other end of an edge's stream is not there any more; the text says how that showed."""


class EdgePort(Protocol):
    """One end of the Event stream between an edge and its session."""

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """Sends an event; raises EdgeGoneError when the other end is gone or does not take it in time."""

    async def receive(self) -> Event:
        """The next event; raises EdgeGoneError after the last one."""

    def close(self) -> None:
        """Ends the stream; what was sent before still arrives."""


class StreamLostError(Exception):
    """A stream to an inference node was refused or ended."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        """Takes what InferenceLost takes."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class InferenceStream(Protocol):
    """One open Converse stream."""

    @property
    def ready(self) -> SessionReady:
        """What the node said when it took the session."""

    @property
    def address(self) -> str:
        """HOST:PORT of the node."""

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """Sends an event; raises StreamLostError."""

    async def receive(self) -> Event:
        """The next event; raises StreamLostError."""

    async def close(self) -> None:
        """Ends the stream and gives its connection back."""


class InferenceConnector(Protocol):
    """Opens Converse streams."""

    async def open(self, session_id: str, configure: SessionConfigure) -> InferenceStream:
        """A stream whose node took the session; raises StreamLostError."""


class ToolError(Exception):
    """A tool answered with an error, or could not be asked; `detail` is fit for the model to read."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        """Takes what ToolFailed takes."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class ToolPort(Protocol):
    """Has tools work. Calls run side by side; one that is cancelled is given up."""

    async def call(self, name: str, arguments: str, idempotency_key: str) -> str:
        """What the tool answers to `arguments`, a JSON object; raises ToolError."""

    async def close(self) -> None:
        """Gives connections back; nothing is called after it."""


class PreparedLines(Protocol):
    """Sound of lines that was made before the call."""

    def sound(self, text: str) -> bytes | None:
        """PCM of the inner format; None when there is none of this line."""


class Observer(Protocol):
    """Is told of every step of a session, after it was journaled and before its commands are executed."""

    def on_transition(self, event: SessionEvent, transition: Transition) -> None:
        """`event` was reduced."""


class JournalSink(Protocol):
    """Keeps every step of a session."""

    def record(self, event: SessionEvent, transition: Transition) -> None:
        """Keeps one step; never raises."""

    def flush(self) -> None:
        """Hands what was recorded to the operating system; never raises."""
