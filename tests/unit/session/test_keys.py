"""Keys pressed on a telephone."""

from support.session_script import SPECULATIVE, Script, names, only, policy

from voice_contract.messages import BargeIn, BargeInCause, ChatRole, Generate, Phase
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.complete_turns import KEYS_MAX
from voice_orchestrator.session.policy import DtmfPolicy


def press(script: Script, keys: str) -> Script:
    for key in keys:
        script.after(100).key(key)
    return script


def asked(script: Script) -> list[str]:
    return [generate.messages[-1].text for generate in script.all(Generate)]


def test_keys_become_a_turn_at_the_terminator() -> None:
    script = press(Script().open(), "42#")
    assert asked(script) == ["I pressed 4 2."]
    assert script.where() is Phase.PROCESSING


def test_keys_become_a_turn_after_a_while() -> None:
    script = press(Script().open(), "42")
    script.wait(1_999)
    assert asked(script) == []
    script.wait(1)
    assert asked(script) == ["I pressed 4 2."]


def test_every_key_begins_the_wait_anew() -> None:
    script = Script().open()
    for key in "123":
        script.key(key)
        script.wait(1_500)
    assert asked(script) == []
    script.wait(500)
    assert asked(script) == ["I pressed 1 2 3."]


def test_the_terminator_alone_and_no_key_mean_nothing() -> None:
    script = Script().open()
    for key in ("#", ""):
        assert script.key(key) == ()
        assert script.ignored == "no_keys"


def test_the_profile_says_how_an_entry_ends_and_reads() -> None:
    script = press(Script(policy(dtmf=DtmfPolicy(terminator="*", turn_text="Keys: {keys}"))).open(), "7#*")
    assert asked(script) == ["Keys: 7 #"]


def test_a_key_silences_the_agent_at_once() -> None:
    script = Script().open().say("What can I choose?").respond().after(500)
    commands = script.key("1")
    assert [told.cause for told in only(commands, BargeIn)] == [BargeInCause.DTMF]
    assert "FlushRun" in names(commands)
    script.report(1, 8_000)
    script.wait(2_000)
    assert asked(script)[-1] == "I pressed 1."


def test_a_key_ends_a_reply_that_is_being_prepared_and_keeps_the_words_it_answers() -> None:
    script = Script().open().say("Is Friday free?")
    assert "DropRun" in names(press(script, "1").log[-1][1].commands)
    assert script.where() is Phase.ACTIVE
    script.key("#")
    assert asked(script)[-1] == "Is Friday free? I pressed 1."


def test_speech_after_keys_is_one_turn_with_them() -> None:
    script = press(Script().open(), "42").say("is my number.")
    assert asked(script) == ["I pressed 4 2. is my number."]


def test_typing_after_keys_is_one_turn_with_them() -> None:
    script = press(Script().open(), "42")
    script.do(e.CallerTyped, text="is my number.")
    assert asked(script) == ["I pressed 4 2. is my number."]


def test_keys_take_the_place_of_speech_whose_words_are_not_known() -> None:
    script = Script().open()
    script.start_speaking()
    commands = press(script, "1").log[-1][1].commands
    assert script.state.turn is None
    script.stop_speaking()
    assert script.ignored == "no_open_speech"
    assert "Generate" not in names(commands)


def test_an_entry_that_is_over_while_the_caller_speaks_belongs_to_the_turn() -> None:
    script = press(Script().open(), "42")
    script.start_speaking()
    assert script.state.keys == ""
    assert script.state.turn is not None
    assert script.state.turn.prefix == "I pressed 4 2."


def test_only_so_many_keys_are_kept() -> None:
    script = press(Script().open(), "1" * (KEYS_MAX + 10) + "2")
    assert script.state.keys == "1" * (KEYS_MAX - 1) + "2"


def test_keys_before_the_call_is_open_mean_nothing() -> None:
    script = Script()
    assert script.key("1") == ()
    assert script.ignored == "not_open"


def test_keys_while_there_is_no_node_are_answered_by_the_next() -> None:
    script = Script().open()
    script.lose_node()
    press(script, "1#")
    assert asked(script) == []
    script.ready()
    assert asked(script) == ["I pressed 1."]


def test_a_reply_begun_early_gives_way_to_a_key() -> None:
    script = Script(policy(turn_taking=SPECULATIVE)).open()
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed("Is Friday free?")
    assert "SpeculationEnded" in names(script.key("1"))
    assert script.all(c.ReleaseRun) == []
    assert all(said.role is ChatRole.USER for said in script.state.history)
