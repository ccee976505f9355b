"""Journal and recording have clocks of their own: on the page everything lies where it is in the recording."""

import json
from pathlib import Path

from support.call_reports import ORIGIN_MS, report, span
from support.session_journal import write_journal
from support.session_script import Script, policy

from voice_orchestrator.session import events as e
from voice_orchestrator.timeline.document import make_document
from voice_orchestrator.timeline.reported_call import read_report
from voice_orchestrator.timeline.story import read_story


def test_everything_is_moved_by_the_beginning_of_the_recording(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.after(1_000).say("Are you open today?").respond("Yes, we are.")
    run_began_ms = script.now_ms
    script.after(400).start_speaking()
    script.wait(200)
    script.stop_speaking()
    script.transcribed("mm hm")
    script.after(800).finish()
    script.after(500).do(e.CallerHungUp)
    write_journal(tmp_path / "journal.jsonl", script)
    # Its first sample is in the recording 15 ms after it left.
    told = report(script, {1: span(run_began_ms - ORIGIN_MS + 15)})
    (tmp_path / "report.json").write_text(json.dumps(told), encoding="utf-8")
    story, reported = read_story(tmp_path / "journal.jsonl"), read_report(tmp_path / "report.json")
    document = make_document(story, reported, None, "")

    assert document["call"]["origin_ms"] == ORIGIN_MS
    assert document["call"]["start_ms"] == -ORIGIN_MS
    assert [row[0] for row in document["events"]["rows"]] == [event.at_ms - ORIGIN_MS for event, _ in script.log]
    assert document["speech"][0][:2] == [940 - ORIGIN_MS, 1_800 - ORIGIN_MS]
    assert document["turns"][0]["from"] == 940 - ORIGIN_MS
    run = document["runs"][0]
    assert run["words"][0][0] == told["replies"][0]["start_ms"]
    assert run["first_ms"] == run_began_ms - ORIGIN_MS
    (over,) = [each for each in told["barge_ins"] if each["outcome"] == "paused"]
    assert document["barge_ins"][0]["from"] == over["at_ms"]
    assert document["phases"][0][0] == document["call"]["start_ms"]
