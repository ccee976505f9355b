"""What the session core orders the runtime to do, in order.

    ConnectInference   open a Converse stream and configure it; answered by InferenceReady or InferenceLost
    ToInference        send a message to the inference node
    ToEdge             send a message to the caller's edge
    ReleaseRun         let the run be heard: its sound may leave for the edge from now on
    PauseRun           let nothing of the run leave and tell the edge to stop playing, keep everything
    ResumeRun          go on at the very sample where PauseRun stopped
    FlushRun           drop the run's sound and have the edge drop and report; answered by PlayoutReported
    DropRun            drop the run's sound; nothing of it was released, the edge knows nothing of it
    CloseRun           the run has no more sound; when the last has left tell the edge; answered by PlayoutReported
    SpeakPrepared      add sound that was prepared to the run, the whole of its one segment; answered like a node's
    CallTool           have a tool work; answered by ToolReturned or ToolFailed, whatever becomes of its run
    EndCall            the call is over; the last command of a session, exactly once

A run is cancelled before another is started, and playout is stopped before new sound is released.
"""

from dataclasses import dataclass

from voice_contract.failures import Failure
from voice_contract.messages import (
    BargeIn,
    CancelRun,
    CancelTranscription,
    EndCause,
    Generate,
    PhaseChanged,
    PrimePrompt,
    RunHeard,
    ScoreEndOfTurn,
    ScoreWords,
    SessionConfigure,
    SpeculationEnded,
    Synthesize,
    Transcribe,
    Transcript,
    TurnLatency,
)

InferenceMessage = (
    Transcribe | CancelTranscription | ScoreEndOfTurn | ScoreWords | PrimePrompt | Generate | Synthesize | CancelRun
)
EdgeMessage = PhaseChanged | Transcript | BargeIn | TurnLatency | RunHeard | SpeculationEnded | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectInference:
    """Open a stream to an inference node and configure it, after `delay_ms`."""

    configure: SessionConfigure
    delay_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToInference:
    """Send a message to the inference node."""

    message: InferenceMessage
    run_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToEdge:
    """Send a message to the edge."""

    message: EdgeMessage
    run_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRun:
    """Let the run be heard."""

    run_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRun:
    """Stop the run's sound, keep it."""

    run_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRun:
    """Go on where PauseRun stopped."""

    run_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushRun:
    """Drop the run's sound everywhere and have the edge report what it played."""

    run_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRun:
    """Drop the sound of a run that was never released."""

    run_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRun:
    """The run has no more sound."""

    run_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakPrepared:
    """Have `text`, a line whose sound was prepared before the call, be the sound of the run."""

    run_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTool:
    """Have a tool work. `call_id` is its idempotency key: counted in the session, never used twice."""

    call_id: int
    name: str
    arguments: str
    timeout_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """The call is over."""

    cause: EndCause
    failure: Failure | None


SoundCommand = ReleaseRun | PauseRun | ResumeRun | FlushRun | DropRun | CloseRun

Command = ConnectInference | ToInference | ToEdge | SoundCommand | SpeakPrepared | CallTool | EndCall
