"""Writes the reducer's tables into docs/LLD.md, from the code: phases, events, deadlines. `--check` compares only.

What an event does is found out by feeding it to a session in each phase; the event always fits the state (the live
run, the open turn, the newest revision), so the table shows what it is for and not how stale ones are refused.
"""

import argparse
import dataclasses
import enum
import sys
import typing
from pathlib import Path
from typing import Any, Final

from voice_contract.failures import FailureReason
from voice_contract.messages import FinishReason, Phase, ToolDeclaration, TranscribeKind, WorkTiming
from voice_orchestrator.session import events as e
from voice_orchestrator.session.commands import ToEdge, ToInference
from voice_orchestrator.session.deadlines import DEADLINES
from voice_orchestrator.session.phases import PHASE_EDGES
from voice_orchestrator.session.policy import SessionPolicy, ToolPolicy
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import SessionState, initial_state

LLD: Final = Path(__file__).resolve().parent.parent / "docs" / "LLD.md"
BEGIN: Final = "<!-- reducer:begin -->"
END: Final = "<!-- reducer:end -->"
TOOL: Final = ToolDeclaration(name="look_up", description="Looks something up", parameters_schema="{}")
EVENT_TYPES: Final[tuple[type[Any], ...]] = typing.get_args(e.SessionEvent)


def fitting(kind: type[Any], state: SessionState) -> e.SessionEvent:
    """An event of `kind` that fits `state`."""
    turn, run = state.turn, state.run
    known: dict[str, Any] = {
        "at_ms": state.now_ms,
        "run_id": run.id if run else state.next_run_id - 1,
        "utterance_id": turn.id if turn else max(1, state.next_turn_id - 1),
        "revision": turn.revision if turn else 1,
        "segment_index": 0,
        "kind": TranscribeKind.FINAL,
        "text": "Certainly, we are open today. ",
        "timing": WorkTiming(),
        "reason": FinishReason.STOP if kind is e.ReplyEnded else FailureReason.OVERLOADED,
        "mean_log_probability": -0.2,
        "spoken_at_ms": state.now_ms,
        "listens": True,
        "speaks": True,
        "detail": "",
        "scores_end_of_turn": False,
        "no_speech_probability": 0.1,
        "probability": 0.9,
        "word_ends": (),
        "key": "5",
        "name": "look_up",
        "arguments": "{}",
        "result": "none",
        "call_index": sum(1 for call in state.tools if run is not None and call.run_id == run.id),
        "call_id": state.tools[0].id if state.tools else 1,
    }
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        fallback = next(iter(hint)) if isinstance(hint, type) and issubclass(hint, enum.Enum) else 16_000
        values[field.name] = known.get(field.name, fallback)
    event: e.SessionEvent = kind(**values)
    return event


def sessions() -> dict[Phase, list[SessionState]]:
    """Typical states of each phase, made by feeding events."""
    fresh = initial_state(SessionPolicy(system_text="Be brief.", tools=ToolPolicy(declarations=(TOOL,))))
    connecting = reduce(fresh, e.CallOpened(at_ms=0, listens=True, speaks=True)).state
    active = reduce(connecting, e.InferenceReady(at_ms=10, scores_end_of_turn=True)).state
    speaking = reduce(active, e.SpeechStarted(at_ms=1_000, offset_samples=16_000, spoken_at_ms=900)).state
    trailing = reduce(speaking, e.SpeechEnded(at_ms=2_000, offset_samples=28_800, spoken_at_ms=1_800)).state
    judged = feed(trailing, e.EndOfTurnScored)
    early = feed(feed(judged, e.CallerTranscribed), e.ReplyText)
    waiting = reduce(judged, e.Tick(at_ms=2_300)).state
    answered = feed(waiting, e.CallerTranscribed)
    looking_up = feed(answered, e.ToolRequested)
    writing = feed(answered, e.ReplyText)
    sounding = feed(writing, e.SegmentSounded)
    playing = feed(feed(feed(sounding, e.ReplyEnded), e.SegmentSynthesised), e.SegmentStarted)
    paused = reduce(playing, e.SpeechStarted(at_ms=3_900, offset_samples=60_000, spoken_at_ms=3_800)).state
    ended = reduce(active, e.CallerHungUp(at_ms=20)).state
    return {
        Phase.CREATED: [fresh],
        Phase.CONNECTING: [connecting],
        Phase.ACTIVE: [active, speaking, trailing, early],
        Phase.PROCESSING: [waiting, answered, looking_up, writing],
        Phase.RESPONDING: [sounding, playing, paused],
        Phase.TERMINATED: [ended],
    }


def feed(state: SessionState, kind: type[Any]) -> SessionState:
    """The state after a fitting event."""
    return reduce(state, fitting(kind, state)).state


def outcome(transition: Transition) -> str:
    """What an event did, in a word or two."""
    if transition.ignored is not None:
        return f"_{transition.ignored}_"
    names = [
        type(command.message).__name__ if isinstance(command, ToEdge | ToInference) else type(command).__name__
        for command in transition.commands
    ]
    return ", ".join(dict.fromkeys(names)) or "noted"


def event_table() -> list[str]:
    """Events by phases; a cell says what is commanded, or in italics why the event is ignored."""
    states = sessions()
    lines = ["| event | " + " | ".join(phase.name for phase in states) + " |", "|---" * (len(states) + 1) + "|"]
    for kind in EVENT_TYPES:
        cells = []
        for phase_states in states.values():
            found = [outcome(reduce(state, fitting(kind, state))) for state in phase_states]
            acted = [text for text in found if not text.startswith("_")] or found
            cells.append("<br>".join(dict.fromkeys(acted)))
        lines.append(f"| {kind.__name__} | " + " | ".join(cells) + " |")
    return lines


def draw() -> str:
    """The generated part of the document."""
    lines = ["Phases and the edges between them:", "", "```mermaid", "stateDiagram-v2"]
    for before, after_phases in PHASE_EDGES.items():
        lines += [f"  {before.name} --> {after.name}" for after in Phase if after in after_phases]
    lines += [
        "```",
        "",
        "Events by phases: what is commanded; in italics, why the event is ignored:",
        "",
        *event_table(),
    ]
    lines += ["", "Deadlines, in the order in which they are looked at when several are due:", ""]
    lines += [", ".join(f"`{row.name}`" for row in DEADLINES) + "."]
    return "\n".join(lines)


def main() -> None:
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 on a difference")
    options = parser.parse_args()
    text = LLD.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = f"{before}{BEGIN}\n{draw()}\n{END}{after}"
    if options.check and drawn != text:
        sys.exit("error: docs/LLD.md does not show the reducer as it is; run `python tools/draw_reducer.py`")
    LLD.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
