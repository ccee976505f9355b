"""Defects planted to see whether the simulator finds them: small changes to the text of the session core.

Each is a mistake somebody could make: a cancel forgotten, a timer left armed, a check dropped, a wrong run taken. Run
as a program it plants one (`faults.py NAME`) in a fresh interpreter and says after how many schedules it was found.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

SCHEDULES_MAX: Final = 10_000
PACKAGE: Final = "voice_orchestrator.session"


@dataclass(frozen=True, slots=True)
class Fault:
    """`old` becomes `new` in a module of `package`; `old` must occur exactly once."""

    name: str
    module: str
    old: str
    new: str
    package: str = PACKAGE


FAULTS: Final = (
    Fault(
        "a line without a node makes the session responding",
        "hearing",
        "    if step.state.phase is not Phase.CONNECTING:\n        step.enter(Phase.RESPONDING)",
        "    step.enter(Phase.RESPONDING)",
    ),
    Fault(
        "the line is still due when the node is there",
        "ending",
        "        hold_line_due_ms=None,\n        connect_attempts=0,",
        "        connect_attempts=0,",
    ),
    Fault(
        "nobody asks the next node for the words",
        "ending",
        "    _ask_again(step)\n    if step.turn is None:",
        "    if step.turn is None:",
    ),
    Fault("a stale run is accepted", "reducer", "if run is None or run.id != run_id:", "if run is None:"),
    Fault(
        "events move a session that is over",
        "reducer",
        "    if state.phase is Phase.TERMINATED:\n        return",
        "    if False:\n        return",
    ),
    Fault(
        "a speculative run is released",
        "runs",
        "return run if run.speculative else release(step, run)",
        "return release(step, evolved(run, {'speculative': False}))",
    ),
    Fault("a held reply is heard", "speech", "        hold_run(step, run, spoken_at_ms)\n", "        pass\n"),
    Fault(
        "a watch outlives its run",
        "hearing",
        "step.change(run=None, watch=None, flushing=flushing, unsaid=())",
        "step.change(run=None, flushing=flushing, unsaid=())",
    ),
    Fault("a flush is settled twice", "hearing", "    step.change(flushing=None)\n", "    pass\n"),
    Fault(
        "a report of another run settles the flush",
        "hearing",
        "if flushing is not None and flushing.run.id == event.run_id:",
        "if flushing is not None:",
    ),
    Fault(
        "a report that comes early ends the run",
        "hearing",
        "elif run.closed and all(segment.played or not segment.samples for segment in run.segments):",
        "elif run.closed:",
    ),
    Fault(
        "an interrupted run works on",
        "hearing",
        "    step.to_inference(CancelRun(), run.id)\n    _flush(",
        "    _flush(",
    ),
    Fault(
        "a dropped run works on",
        "hearing",
        "    step.to_inference(CancelRun(), run.id)\n    _drop_silent(",
        "    _drop_silent(",
    ),
    Fault(
        "nobody is told of a wasted speculation",
        "hearing",
        "    announce_speculation(step, run, outcome)\n    _remember(",
        "    _remember(",
    ),
    Fault(
        "words nobody heard are remembered",
        "hearing",
        "played_text(run.segments) if heard is None else heard",
        "whole_text(run.segments)",
    ),
    Fault(
        "an unheard run is told as heard",
        "hearing",
        "is not RunStatus.SILENT:\n        step.to_edge(RunHeard",
        "is not None:\n        step.to_edge(RunHeard",
    ),
    Fault(
        "a tool result is never used up",
        "hearing",
        "if call.run_id != run.id or call.status is ToolStatus.RUNNING:",
        "if True:",
    ),
    Fault(
        "a tool is begun twice",
        "tools",
        "call.run_id == run.id and call.status is ToolStatus.HELD:",
        "call.run_id == run.id:",
    ),
    Fault(
        "tools of a speculation begin at once",
        "tools",
        "    elif not run.speculative:\n        _start(step, call)",
        "    else:\n        _start(step, call)",
    ),
    Fault("a late tool result is lost", "tools", "    if live or pending:", "    if live or pending or True:"),
    Fault(
        "a reply never goes on after its tools", "tools", "return run.awaits_tools and all(", "return False and all("
    ),
    Fault("call ids are used again", "tools", "step.change(next_call_id=call.id + 1, tools=", "step.change(tools="),
    Fault(
        "a written reply is still waited for",
        "runs",
        'run = step.change_run(run, buffer="", writing_deadline_ms=None, awaits_tools=waits)',
        'run = step.change_run(run, buffer="", awaits_tools=waits)',
    ),
    Fault(
        "a reply to other words is kept",
        "commit",
        "    if not same_words(run.user_text, turn.words):\n",
        "    if False:\n",
    ),
    Fault("a resumed turn stays committed", "speech", "        committed_at_ms=None,\n", ""),
    Fault("a resumed turn keeps its judgement pending", "speech", "        score_deadline_ms=None,\n", ""),
    Fault(
        "a stale transcript is taken",
        "transcripts",
        "or event.utterance_id != turn.id or event.revision != turn.revision:",
        "or event.utterance_id != turn.id:",
    ),
    Fault(
        "a transcript that came is still waited for",
        "transcripts",
        "transcribed_at_ms=step.now_ms, transcription_deadline_ms=None)\n    judge_words(step, turn, text",
        "transcribed_at_ms=step.now_ms)\n    judge_words(step, turn, text",
    ),
    Fault(
        "shown words flap",
        "transcripts",
        "    shown = extend_shown(turn.shown_text, turn.partial_text, text)\n",
        "    shown = text\n",
    ),
    Fault("a rejected pause does not resume", "barge_in", "        step.emit(ResumeRun(run_id=run.id))\n", ""),
    Fault(
        "a rejected noise becomes a turn",
        "barge_in",
        "    step.change(watch=None)\n    drop_turn(step, turn)",
        "    step.change(watch=None)",
    ),
    Fault(
        "a pause is never timed out",
        "barge_in",
        "    return since_ms + state.policy.interruptions.false_interruption_timeout_ms",
        "    return None",
    ),
    Fault(
        "pressed keys are due for ever",
        "complete_turns",
        'step.change(keys="", keys_due_ms=None)',
        'step.change(keys="")',
    ),
    Fault(
        "a lost report is waited for for ever",
        "deadlines",
        "return state.flushing.deadline_ms if state.flushing is not None else None",
        "return None",
    ),
    Fault(
        "a run survives its node",
        "ending",
        "    abandon_run(step)\n    if is_rest",
        "    if is_rest",
    ),
    Fault(
        "a reply waits for the sound of a lost node",
        "runs",
        "    _cut_short(step, run)\n    step.change(unsaid=rest)\n",
        "    step.change(unsaid=rest)\n",
    ),
    Fault(
        "the rest of a reply outlives the next turn",
        "runs",
        "        step.change(unsaid=())\n    elif",
        "        pass\n    elif",
    ),
    Fault(
        "the rest of a reply is said again and again",
        "runs",
        "        step.change(unsaid=())\n        run = _open_run",
        "        run = _open_run",
    ),
    Fault(
        "the connect timer survives the connection",
        "ending",
        "        connect_deadline_ms=None,\n        hold_line_due_ms=None,\n        connect_attempts=0,",
        "        hold_line_due_ms=None,\n        connect_attempts=0,",
    ),
    Fault("the words of a tick are forgotten", "deadlines", "            row.act(step)\n", "            pass\n"),
)


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module with the fault in it."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._name = f"{fault.package}.{fault.module}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Claims the module."""
        del target
        if fullname != self._name or path is None:
            return None
        source = Path(path[0]) / f"{self._fault.module}.py"
        return importlib.util.spec_from_file_location(fullname, source, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Runs the changed text."""
        assert module.__file__ is not None
        exec(compile(planted(Path(module.__file__), self._fault), module.__file__, "exec"), module.__dict__)


def planted(source: Path, fault: Fault) -> str:
    """The module's text with the fault in it; raises ValueError when there is no place for it any more."""
    text = source.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.name}: {source.name} holds its text {text.count(fault.old)} times, not once")
    return text.replace(fault.old, fault.new)


def schedules_until_found(fault: Fault, *, fenced: bool = False) -> int | None:
    """How many schedules it takes to find the fault; None when SCHEDULES_MAX do not. For a fresh interpreter."""
    sys.meta_path.insert(0, _Planter(fault))
    from simulation.run import schedule_of

    for seed in range(SCHEDULES_MAX):
        try:
            schedule_of(seed, fenced=fenced).run()
        except Exception:
            return seed + 1
    return None


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print(schedules_until_found(next(fault for fault in FAULTS if fault.name == sys.argv[1])))
