"""Who may send what: the comments of the .proto files as a table the codec checks."""

from enum import Enum
from typing import Final

from voice_contract import messages as m
from voice_contract.failures import Failure


class Peer(Enum):
    """A sender on one of the two streams."""

    EDGE = "edge"
    ORCHESTRATOR_TO_EDGE = "orchestrator_to_edge"
    ORCHESTRATOR_TO_INFERENCE = "orchestrator_to_inference"
    INFERENCE = "inference"


ALLOWED_SENDER: Final[dict[type[m.Payload], frozenset[Peer]]] = {
    m.Audio: frozenset(Peer),
    m.Transcript: frozenset({Peer.EDGE, Peer.ORCHESTRATOR_TO_EDGE, Peer.INFERENCE}),
    m.Heartbeat: frozenset(Peer),
    Failure: frozenset({Peer.ORCHESTRATOR_TO_EDGE, Peer.INFERENCE}),
    m.CallOpen: frozenset({Peer.EDGE}),
    m.HangUp: frozenset({Peer.EDGE}),
    m.PlayoutPosition: frozenset({Peer.EDGE}),
    m.CallAccepted: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.CallEnded: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.PhaseChanged: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.BargeIn: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.PlayoutPause: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.PlayoutResume: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.PlayoutFlush: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.RunAudioEnd: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.SegmentMark: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.TurnLatency: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.SessionConfigure: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.Transcribe: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.CancelTranscription: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.PrimePrompt: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.Generate: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.Synthesize: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.CancelRun: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.SessionClose: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.SessionReady: frozenset({Peer.INFERENCE}),
    m.SpeechStarted: frozenset({Peer.INFERENCE}),
    m.SpeechEnded: frozenset({Peer.INFERENCE}),
    m.GenerationEnded: frozenset({Peer.INFERENCE}),
    m.SynthesisEnded: frozenset({Peer.INFERENCE}),
    m.RunStopped: frozenset({Peer.INFERENCE}),
    m.Dtmf: frozenset({Peer.EDGE}),
    m.TalkPressed: frozenset({Peer.EDGE}),
    m.TalkReleased: frozenset({Peer.EDGE}),
    m.RunHeard: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.SpeculationEnded: frozenset({Peer.ORCHESTRATOR_TO_EDGE}),
    m.ScoreEndOfTurn: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.EndOfTurnScored: frozenset({Peer.INFERENCE}),
    m.ToolRequested: frozenset({Peer.INFERENCE}),
    m.SpeechFaltered: frozenset({Peer.INFERENCE}),
    m.ScoreWords: frozenset({Peer.ORCHESTRATOR_TO_INFERENCE}),
    m.WordsScored: frozenset({Peer.INFERENCE}),
}
"""For each payload, the peers that may send it."""

TRANSCRIPT_SENDER: Final[dict[Peer, frozenset[tuple[m.Speaker, m.TranscriptKind]]]] = {
    Peer.EDGE: frozenset({(m.Speaker.CALLER, m.TranscriptKind.FINAL)}),
    Peer.ORCHESTRATOR_TO_EDGE: frozenset(
        {
            (m.Speaker.CALLER, m.TranscriptKind.PARTIAL),
            (m.Speaker.CALLER, m.TranscriptKind.FINAL),
            (m.Speaker.AGENT, m.TranscriptKind.FINAL),
        }
    ),
    Peer.INFERENCE: frozenset(
        {
            (m.Speaker.CALLER, m.TranscriptKind.PARTIAL),
            (m.Speaker.CALLER, m.TranscriptKind.FINAL),
            (m.Speaker.AGENT, m.TranscriptKind.DELTA),
        }
    ),
}
"""For each peer, whose words of which kind it may send."""

RUN_SCOPED: Final[frozenset[type[m.Payload]]] = frozenset(
    {
        m.BargeIn,
        m.PlayoutPause,
        m.PlayoutResume,
        m.PlayoutFlush,
        m.PlayoutPosition,
        m.RunAudioEnd,
        m.SegmentMark,
        m.TurnLatency,
        m.Generate,
        m.GenerationEnded,
        m.Synthesize,
        m.SynthesisEnded,
        m.CancelRun,
        m.RunStopped,
        m.RunHeard,
        m.SpeculationEnded,
        m.ToolRequested,
    }
)
"""Payloads that concern the run in the envelope, which must name one."""

RUN_OPTIONAL: Final[frozenset[type[m.Payload]]] = frozenset({m.Audio, m.Transcript, Failure})
"""Payloads that concern a run or not, by their sender and content; everything else names no run."""
