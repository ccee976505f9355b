"""Events as short lines: what was said first, nothing empty, nothing endless."""

from pathlib import Path

from support.session_journal import write_journal
from support.session_script import Script, policy

from voice_contract.messages import WorkTiming
from voice_orchestrator.session import events as e
from voice_orchestrator.timeline.event_rows import TEXT_CHARS_MAX, VALUE_CHARS_MAX, EventRow
from voice_orchestrator.timeline.story import read_story

TIMING = WorkTiming(queued_us=1, first_result_us=900, total_us=1_500)
ENDS = tuple(range(9))


def rows_of(folder: Path, script: Script) -> list[EventRow]:
    path = folder / "journal.jsonl"
    write_journal(path, script)
    return read_story(path).rows


def test_every_event_has_a_row_with_what_it_did(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.say("Are you open today?").respond("Yes.")
    script.do(e.SegmentPlayed, run_id=9, segment_index=0)
    rows = rows_of(tmp_path, script)
    assert len(rows) == len(script.log)
    assert (rows[0].kind, rows[0].text, rows[0].phase) == ("CallOpened", "listens=yes speaks=yes", "connecting")
    assert rows[0].commands[0] == "→ edge: PhaseChanged from_phase=created to_phase=connecting"
    assert rows[0].commands[1].startswith("ConnectInference configure.agent_format.encoding=s16le")
    words = next(row for row in rows if row.kind == "CallerTranscribed")
    assert words.text.startswith("“Are you open today?” kind=final mean_log_probability=-0.2")
    written = next(row for row in rows if row.kind == "ReplyText")
    assert (written.text, written.run_id) == ("“Yes.”", 1)
    assert any(command.startswith("→ node: Synthesize run 1 “Yes.”") for row in rows for command in row.commands)
    assert (rows[-1].ignored, rows[-1].commands) == ("run_ended", ())


def test_long_texts_are_cut(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.say("word " * 1_000).respond("Yes.")
    script.do(e.SegmentSynthesised, run_id=1, segment_index=0, total_samples=9, timing=TIMING, word_ends=ENDS)
    script.do(e.ShellFailed, detail="x" * 9_000)
    rows = rows_of(tmp_path, script)
    longest = max(len(text) for row in rows for text in (row.text, *row.commands))
    assert longest <= TEXT_CHARS_MAX + len("→ edge: SpeculationEnded run 1 …")
    words = next(row for row in rows if row.kind == "CallerTranscribed")
    assert f"{'word ' * 1_000}"[:VALUE_CHARS_MAX] in words.text
    spoken = [row for row in rows if row.kind == "SegmentSynthesised"][-1]
    assert spoken.text == "took=1.5ms total_samples=9 word_ends=(9)"
