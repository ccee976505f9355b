"""Where the words of the agent were heard: by the samples of their run, around pauses, delays and cuts."""

from pathlib import Path

from support.session_journal import write_journal
from support.session_script import Script, policy

from voice_orchestrator.timeline.run_story import RunStory
from voice_orchestrator.timeline.spoken_words import SpokenWord, place_words
from voice_orchestrator.timeline.story import read_story


def run_of(folder: Path, script: Script) -> RunStory:
    path = folder / "journal.jsonl"
    write_journal(path, script)
    return read_story(path).runs.runs[1]


def told(words: list[SpokenWord]) -> list[tuple[int, int, str, bool]]:
    return [(word.from_ms, word.to_ms, word.text, word.heard) for word in words]


def asked(text: str) -> Script:
    """A question at 1.5 s, answered with one segment of one second that begins to be heard then."""
    script = Script(policy()).open().say("Hello?")
    assert script.now_ms == 1_300
    script.after(200).write(text, end=True)
    script.sound(0)
    return script


def test_words_lie_where_their_samples_were_played(tmp_path: Path) -> None:
    script = asked("Yes, we are.")
    script.synthesise(0, 16_000, word_ends=(4_000, 8_000, 14_400))
    script.start(0)
    script.after(1_000).finish()
    run = run_of(tmp_path, script)
    assert told(place_words(run, None)) == [
        (1_500, 1_750, "Yes,", True),
        (1_750, 2_000, "we", True),
        (2_000, 2_400, "are.", True),
    ]
    # The recording knows its first sample better than the journal does.
    assert place_words(run, 1_520)[0].from_ms == 1_520


def test_a_pause_moves_what_follows_it_and_lengthens_the_word_it_falls_into(tmp_path: Path) -> None:
    script = asked("Yes, we are.")
    script.synthesise(0, 16_000, word_ends=(4_000, 8_000, 16_000))
    script.start(0)
    script.after(400).start_speaking()
    script.wait(200)
    script.stop_speaking()
    script.after(100).transcribed("mm hm")
    script.after(600).finish()
    assert told(place_words(run_of(tmp_path, script), None)) == [
        (1_500, 1_750, "Yes,", True),
        (1_750, 2_300, "we", True),
        (2_300, 2_800, "are.", True),
    ]


def test_words_after_an_interruption_were_not_heard(tmp_path: Path) -> None:
    script = asked("Yes, we are open.")
    script.synthesise(0, 16_000, word_ends=(4_000, 8_000, 12_000, 16_000))
    script.start(0)
    script.after(600).start_speaking()
    script.wait(300)
    script.stop_speaking()
    script.transcribed("Stop.")
    script.report(1, 9_600)
    run = run_of(tmp_path, script)
    assert run.ending == "interrupted"
    assert told(place_words(run, None)) == [
        (1_500, 1_750, "Yes,", True),
        (1_750, 2_000, "we", True),
        (2_000, 2_100, "are", False),
    ]


def test_a_segment_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    script = Script(policy()).open().say("Hello?")
    script.after(200).write("Yes, we are. Come in. ")
    script.write("Please.", end=True)
    script.synthesise(0, 8_000)
    script.start(0)
    script.after(500).play(0)
    script.after(300).synthesise(1, 8_000)
    script.start(1)
    script.after(460).synthesise(2, 8_000)
    # The next leaves 40 ms ahead of its time.
    script.start(2)
    script.after(540).finish()
    run = run_of(tmp_path, script)
    assert run.run is not None
    texts = [segment.text for segment in run.run.segments]
    assert len(texts) == 3
    assert [(word.from_ms, word.to_ms, word.text) for word in place_words(run, None)] == [
        (1_500, 2_000, texts[0]),
        (2_300, 2_800, texts[1]),
        (2_800, 3_300, texts[2]),
    ]


def test_a_segment_cut_before_its_length_was_known_is_one_piece(tmp_path: Path) -> None:
    script = asked("Yes, we are open.")
    script.start(0)
    script.after(600).start_speaking()
    script.wait(300)
    script.stop_speaking()
    script.transcribed("Stop.")
    script.report(1, 9_600)
    assert told(place_words(run_of(tmp_path, script), None)) == [(1_500, 2_100, "Yes, we are open.", False)]


def test_without_a_report_of_the_edge_nothing_is_placed_behind_the_end(tmp_path: Path) -> None:
    script = asked("Yes, we are open.")
    script.synthesise(0, 16_000, word_ends=(4_000, 8_000, 12_000, 16_000))
    script.start(0)
    script.after(600).start_speaking()
    script.wait(300)
    script.stop_speaking()
    script.transcribed("Stop.")
    script.wait(1_000)
    assert [word.text for word in place_words(run_of(tmp_path, script), None)] == ["Yes,", "we", "are"]


def test_a_run_nobody_heard_has_no_words_on_the_axis(tmp_path: Path) -> None:
    script = Script(policy()).open().say("Hello?")
    script.write("Yes, we are.", end=True)
    run = run_of(tmp_path, script)
    assert run.text == "Yes, we are."
    assert place_words(run, None) == []
