"""Replies begun while the last silence is still being judged."""

from dataclasses import replace

from support.session_script import QUIET_TURNS, SPECULATIVE, Script, names, only, policy

from voice_contract.failures import Failure, Stage
from voice_contract.messages import (
    BargeIn,
    CancelRun,
    Generate,
    Phase,
    PrimePrompt,
    SpeculationEnded,
    SpeculationOutcome,
    Synthesize,
    Transcript,
    TurnLatency,
)
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline


def trailing(text: str = "Are you open today?", *, scores: bool = False) -> Script:
    """The caller has said it and is silent for 200 ms."""
    script = Script(policy(turn_taking=SPECULATIVE)).open(scores=scores)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed(text)
    return script


def ended(script: Script) -> list[SpeculationOutcome]:
    return [told.outcome for told in script.all(SpeculationEnded)]


def test_the_reply_is_begun_silently_when_the_words_are_known() -> None:
    script = trailing()
    assert len(script.all(Generate)) == 1
    assert script.where() is Phase.ACTIVE
    script.respond_silently()
    assert script.all(c.ReleaseRun) == []
    assert script.all(Transcript) == []


def test_the_commit_releases_what_is_ready_at_once() -> None:
    script = trailing().respond_silently()
    commands = script.wait(300)
    assert names(commands) == ["PhaseChanged", "Transcript", "SpeculationEnded", "ReleaseRun", "PhaseChanged"]
    assert script.where() is Phase.RESPONDING
    assert ended(script) == [SpeculationOutcome.KEPT]
    assert script.all(SpeculationEnded)[0] == SpeculationEnded(
        outcome=SpeculationOutcome.KEPT, written_tokens=1, synthesised_ms=1_000, lead_ms=300
    )


def test_what_speculation_hid_counts_as_nothing() -> None:
    script = trailing().respond_silently()
    script.wait(300)
    script.start(0)
    (latency,) = script.all(TurnLatency)
    assert (latency.endpointing_ms, latency.total_ms) == (500, 500)


def test_a_reply_that_is_not_ready_is_released_when_it_is() -> None:
    script = trailing()
    script.wait(300)
    assert script.where() is Phase.PROCESSING
    script.write("Of course we are.", end=True)
    assert "ReleaseRun" in names(script.sound(0))
    assert len(script.all(Generate)) == 1


def test_only_what_the_commit_can_release_is_synthesised_before_it() -> None:
    script = trailing()
    script.write("One is here. Two is here. Three is here.", end=True)
    script.synthesise(0)
    assert [asked.segment_index for asked in script.all(Synthesize)] == [0]
    assert [asked.segment_index for asked in only(script.wait(300), Synthesize)] == [1, 2]


def test_speech_that_lasts_cancels_it() -> None:
    script = trailing().respond_silently()
    script.after(100).start_speaking()
    assert names(script.wait(339)) == []
    assert sorted(names(script.wait(1))) == ["CancelRun", "DropRun", "SpeculationEnded"]
    assert ended(script) == [SpeculationOutcome.CANCELLED]
    assert script.all(BargeIn) == []


def test_a_noise_in_the_pause_keeps_it() -> None:
    script = trailing().respond_silently()
    script.after(100).start_speaking()
    script.after(250).stop_speaking()
    script.transcribed("Are you open today")
    script.wait(300)
    assert ended(script) == [SpeculationOutcome.KEPT]
    assert len(script.all(Generate)) == 1


def test_other_words_supersede_it_and_the_next_is_begun() -> None:
    script = trailing().respond_silently()
    script.after(100).start_speaking()
    script.after(250).stop_speaking()
    commands = script.transcribed("Are you open today, too?")
    order = [name for name in names(commands) if name != "Transcript"]
    assert order == ["CancelRun", "DropRun", "SpeculationEnded", "Generate"]
    assert ended(script) == [SpeculationOutcome.SUPERSEDED]


def test_words_that_are_keyed_meanwhile_supersede_it_at_the_commit() -> None:
    script = trailing("That is all.")
    script.state = replace(script.state, keys="4", keys_due_ms=script.now_ms + 50)
    script.wait(300)
    assert ended(script)[0] is SpeculationOutcome.SUPERSEDED
    assert script.all(Generate)[-1].messages[-1].text == "I pressed 4. That is all."


def test_one_that_fails_is_tried_again_at_the_commit_and_not_before() -> None:
    script = trailing()
    commands = script.fail(Stage.LLM)
    assert only(commands, Failure)
    assert "Generate" not in names(commands)
    assert ended(script) == [SpeculationOutcome.FAILED]
    assert script.wait(299) == ()
    assert only(script.wait(1), Generate)
    assert script.state.run is not None
    assert not script.state.run.speculative


def test_at_most_one_lives_at_a_time() -> None:
    script = trailing()
    for extra in ("now", "now then", "now then please"):
        script.after(50).start_speaking()
        script.after(250).stop_speaking()
        script.transcribed(f"Are you open {extra}?")
    live: set[int] = set()
    for _, transition in script.log:
        for command in transition.commands:
            if isinstance(command, c.ToInference) and isinstance(command.message, Generate | CancelRun):
                (live.add if isinstance(command.message, Generate) else live.discard)(command.run_id)
                assert len(live) <= 1
    assert len(script.all(Generate)) == 4
    assert len(ended(script)) == 3


def test_a_long_wait_is_not_spent_on_a_reply_that_is_likely_in_vain() -> None:
    script = Script(policy(turn_taking=replace(SPECULATIVE, max_delay_ms=2_000))).open(scores=True)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.score(0.0)
    script.transcribed("Are you open on")
    begins_ms = next_deadline(script.state)
    assert begins_ms is not None
    commit_ms = begins_ms + 800
    assert commit_ms > 800 + 1_700
    assert script.wait(commit_ms - 800 - script.now_ms - 1) == ()
    assert names(script.wait(1)) == ["Generate"]
    assert script.where() is Phase.ACTIVE


def test_while_the_pause_is_being_judged_it_is_begun_at_once() -> None:
    assert len(trailing(scores=True).all(Generate)) == 1


def test_it_is_switched_off_by_the_profile() -> None:
    script = Script(policy(turn_taking=QUIET_TURNS)).open()
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed("Are you open?")
    assert script.wait(299) == ()
    assert only(script.wait(1), Generate)
    assert script.all(SpeculationEnded) == []


def test_nothing_is_begun_for_nothing() -> None:
    script = trailing("")
    assert script.all(Generate) == []


def test_a_typed_turn_takes_its_place() -> None:
    script = trailing()
    script.do(e.CallerTyped, text="Never mind.")
    assert ended(script) == [SpeculationOutcome.CANCELLED]
    assert script.all(Generate)[-1].messages[-1].text == "Are you open today? Never mind."


def test_its_node_can_be_lost_and_the_turn_is_answered_by_the_next() -> None:
    script = trailing().respond_silently()
    script.lose_node()
    assert ended(script) == [SpeculationOutcome.FAILED]
    assert script.wait(400) == ()
    assert only(script.ready(), Generate)


def test_the_model_reads_the_newest_words_while_the_caller_speaks() -> None:
    script = Script(policy(turn_taking=replace(SPECULATIVE, partial_interval_ms=500))).open()
    script.start_speaking()
    script.wait(500)
    (first,) = only(script.transcribed("I would like", final=False), PrimePrompt)
    script.wait(500)
    assert only(script.transcribed("I would like", final=False), PrimePrompt) == []
    script.wait(500)
    (second,) = only(script.transcribed("I would like a", final=False), PrimePrompt)
    assert [prime.messages[-1].text for prime in (first, second)] == ["I would like", "I would like a"]


def test_in_a_call_without_agent_sound_it_is_shown_at_the_commit_only() -> None:
    script = Script(policy(turn_taking=SPECULATIVE)).open(speaks=False)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed("Are you open today?")
    script.write("Of course we are.", end=True)
    assert script.all(Transcript) == []
    assert [words.text for words in only(script.wait(300), Transcript)] == ["Are you open today?", "Of course we are."]


def test_none_is_begun_before_it_is_known_what_was_heard_of_the_last_reply() -> None:
    script = trailing().respond_silently()
    script.wait(300)
    script.start(0)
    script.after(500).start_speaking()
    script.after(300).stop_speaking()
    script.transcribed("And tomorrow?")
    assert script.wait(200) == ()
    (generate,) = only(script.report(1, 8_000), Generate)
    assert [m.text for m in generate.messages[1:]] == ["Are you open today?", "Of course", "And tomorrow?"]
    assert script.where() is Phase.ACTIVE
