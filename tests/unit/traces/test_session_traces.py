"""What the steps of a session become in traces."""

from simulation.world import Schedule
from support.session_fuzz import random_session
from support.session_script import SPECULATIVE, Script, policy
from support.traced_script import BEGAN_AT, KeptTraces, answered, asked, heard, named, one, speculated, times, traces_of

from voice_orchestrator.session import events as e
from voice_orchestrator.traces import names
from voice_orchestrator.traces.open_turn import REQUESTS_MAX, UNHEARD_RUNS_MAX
from voice_orchestrator.traces.session_traces import SessionTraces
from voice_orchestrator.traces.spans import Span

# --- a plain turn


def test_a_turn_is_one_trace_with_a_span_for_each_stage() -> None:
    (trace,) = traces_of(heard())
    assert trace.name == "invoke_agent clinic"
    assert times(trace) == (940, 3_570)
    assert {child.name: times(child) for child in trace.children} == {
        "caller_speech": (940, 1_800),
        "endpointing": (1_800, 2_300),
        "speech_to_text": (2_000, 2_150),
        "chat": (2_300, 2_410),
        "text_to_speech": (2_410, 2_550),
        "playout": (2_570, 3_570),
    }
    assert not any(child.error for child in trace.children)


def test_a_trace_says_whose_turn_it_was_and_where_its_time_went() -> None:
    (trace,) = traces_of(heard())
    assert trace.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "voice-orchestrator",
        "gen_ai.conversation.id": "call-1",
        "gen_ai.agent.name": "clinic",
        "gen_ai.agent.invocation.end_reason": "completed",
        "voice_agent.turn.id": 1,
        "voice_agent.turn.origin": "speech",
        "voice_agent.turn.answered": True,
        "voice_agent.run.id": 1,
        "voice_agent.run.kind": "reply",
        "voice_agent.latency.endpointing_ms": 500,
        "voice_agent.latency.transcription_ms": 0,
        "voice_agent.latency.first_token_ms": 70,
        "voice_agent.latency.first_clause_ms": 40,
        "voice_agent.latency.synthesis_ms": 110,
        "voice_agent.latency.delivery_ms": 50,
        "voice_agent.latency.total_ms": 770,
    }


def test_the_language_model_is_seen_by_its_first_token_and_as_a_whole() -> None:
    chat = one(traces_of(heard())[0], "chat")
    assert chat.client
    assert chat.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "voice-inference",
        "gen_ai.conversation.id": "call-1",
        "server.address": "127.0.0.1",
        "server.port": 50061,
        "voice_agent.run.id": 1,
        "voice_agent.node.queued_ms": 0.0,
        "voice_agent.node.work_ms": 0.0,
        "gen_ai.response.time_to_first_chunk": 0.07,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.output_tokens": 5,
    }


def test_the_voice_is_seen_by_its_first_sound_for_each_segment() -> None:
    script = asked()
    script.write("Yes, of course we are. ")
    script.after(50).sound(0)
    script.write("Come by at noon.", end=True)
    script.after(20).synthesise(0)
    script.start(0)
    script.after(80).synthesise(1)
    script.after(500).finish()
    first, second = named(traces_of(script)[0], "text_to_speech")
    assert [first.attributes[names.SEGMENT], second.attributes[names.SEGMENT]] == [0, 1]
    assert first.attributes[names.FIRST_CHUNK_S] == 0.05
    assert first.attributes[names.SOUND_MS] == 1_000
    assert first.attributes[names.OUTPUT_TYPE] == "speech"
    assert times(second) == (2_350, 2_450)


def test_how_likely_the_turn_was_over_is_told() -> None:
    script = Script().open(scores=True)
    script.after(1_000).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.after(40).score(0.8)
    script.after(100).transcribed("Are you open today?")
    script.wait(1_000)
    script.respond().after(900).finish()
    (trace,) = traces_of(script)
    assert times(one(trace, "end_of_turn")) == (2_000, 2_040)
    assert one(trace, "end_of_turn").attributes[names.PROBABILITY] == 0.8
    assert one(trace, "endpointing").attributes[names.PROBABILITY] == 0.8


def test_what_is_said_is_nowhere() -> None:
    script = heard()
    script.do(e.CallerTyped, text="And on Sundays?")
    script.respond("On Sundays never.").after(500).finish()
    told = repr(traces_of(script))
    assert "Sunday" not in told
    assert "open" not in told
    assert "Be brief" not in told


def test_a_typed_turn_has_nothing_to_hear() -> None:
    script = Script().open().after(500)
    script.do(e.CallerTyped, text="Are you open?")
    script.after(80).respond().after(500).finish()
    (trace,) = traces_of(script)
    assert trace.attributes[names.ORIGIN] == "typed"
    assert [child.name for child in trace.children] == ["chat", "text_to_speech", "playout"]


def test_a_line_nobody_asked_for_is_a_trace_of_its_own() -> None:
    script = Script(policy(greeting="Hello there.")).open()
    script.after(60).sound(0)
    script.synthesise(0)
    script.after(10).start(0)
    script.after(1_000).finish()
    (trace,) = traces_of(script)
    assert times(trace) == (0, 1_070)
    assert trace.attributes[names.RUN_KIND] == "greeting"
    assert names.TURN not in trace.attributes
    assert [child.name for child in trace.children] == ["text_to_speech", "playout"]


def test_times_are_counted_from_the_beginning_of_the_session() -> None:
    kept = KeptTraces()
    session = SessionTraces("call-1", "clinic", BEGAN_AT, kept)
    for event, transition in heard().log:
        session.on_transition(event, transition)
    assert kept.began_at == [BEGAN_AT]
    assert names.SERVER_ADDRESS not in one(kept.traces[0], "chat").attributes


# --- replies begun early


def test_a_reply_begun_early_and_released_is_the_reply() -> None:
    script = speculated()
    script.after(50).respond_silently()
    script.wait(400)
    script.start(0)
    script.after(1_000).finish()
    (trace,) = traces_of(script)
    assert named(trace, "unheard_run") == []
    assert times(one(trace, "chat")) == (2_150, 2_200)
    assert trace.attributes[names.SPECULATION] == "kept"
    assert trace.attributes[names.SPECULATION_LEAD_MS] == 150
    assert times(one(trace, "endpointing")) == (1_800, 2_300)


def test_a_superseded_reply_is_a_span_of_its_own_marked_as_unheard() -> None:
    script = speculated()
    script.after(50).respond_silently()
    script.start_speaking()
    script.wait(200)
    script.stop_speaking()
    script.after(100).transcribed("Are you open today or tomorrow?")
    script.wait(500)
    script.respond().after(1_000).finish()
    (trace,) = traces_of(script)
    wasted = one(trace, "unheard_run")
    assert wasted.attributes == {
        "voice_agent.run.id": 1,
        "voice_agent.run.kind": "reply",
        "voice_agent.run.unheard": True,
        "voice_agent.speculation.outcome": "superseded",
        "voice_agent.speculation.written_tokens": 1,
        "voice_agent.speculation.synthesised_ms": 1_000,
    }
    assert times(wasted) == (2_150, 2_500)
    assert [child.name for child in wasted.children] == ["chat", "text_to_speech"]
    assert trace.attributes[names.RUN] == 2
    assert [child.name for child in trace.children].count("chat") == 1
    assert len(named(trace, "speech_to_text")) == 2


def test_work_that_was_cancelled_says_so() -> None:
    script = speculated()
    script.after(50).write("Yes")
    script.start_speaking()
    script.wait(2_000)
    script.stop_speaking()
    script.after(100).transcribed("Are you open today or tomorrow?")
    script.wait(500)
    script.respond().after(1_000).finish()
    (trace,) = traces_of(script)
    (chat,) = one(trace, "unheard_run").children
    assert chat.attributes[names.CANCELLED] is True
    assert chat.end_ms == one(trace, "unheard_run").end_ms


def test_of_many_replies_nobody_heard_the_first_ones_are_told() -> None:
    script = Script(policy(turn_taking=SPECULATIVE)).open().after(1_000)
    for count in range(REQUESTS_MAX + 3):
        script.start_speaking()
        script.wait(100)
        script.stop_speaking()
        script.transcribed(f"Well {'so ' * count}and so on")
        script.write("Yes")
        script.after(50)
    script.wait(1_000)
    script.respond().after(1_000).finish()
    (trace,) = traces_of(script)
    assert len(named(trace, "unheard_run")) == UNHEARD_RUNS_MAX
    assert len(named(trace, "speech_to_text")) == REQUESTS_MAX
    assert trace.attributes[names.SPANS_LEFT_OUT] == 3 + 2 * (REQUESTS_MAX + 2 - UNHEARD_RUNS_MAX)
    assert one(trace, "playout").end_ms == trace.end_ms


# --- the end of the call


def test_a_turn_the_call_ends_in_says_so() -> None:
    script = answered().after(300)
    script.do(e.CallerHungUp)
    (trace,) = traces_of(script)
    assert trace.attributes[names.END_REASON] == "session_closed"
    assert one(trace, "playout").end_ms == trace.end_ms == 2_870


def test_what_a_broken_session_leaves_open_is_given_away_once() -> None:
    kept = KeptTraces()
    session = SessionTraces("call-1", "clinic", BEGAN_AT, kept)
    for event, transition in answered().log:
        session.on_transition(event, transition)
    assert kept.traces == []
    session.close()
    session.close()
    (trace,) = kept.traces
    assert trace.attributes[names.END_REASON] == "session_closed"


# --- whatever happens


def check(span: Span) -> None:
    assert span.end_ms >= span.start_ms
    for child in span.children:
        assert child.start_ms >= span.start_ms, (span.name, child)
        check(child)


def hold_together(kept: KeptTraces) -> None:
    turns = [trace.attributes[names.TURN] for trace in kept.traces if names.TURN in trace.attributes]
    assert len(turns) == len(set(turns)), "a turn is one trace"
    for trace in kept.traces:
        check(trace)


def test_whatever_happens_a_turn_becomes_one_trace_of_sound_shape() -> None:
    seen: set[str] = set()
    for seed in range(300):
        kept = KeptTraces()
        session = SessionTraces("call-1", "clinic", BEGAN_AT, kept)
        Schedule(seed, session.on_transition).run()
        session.close()
        hold_together(kept)
        seen |= {child.name for trace in kept.traces for child in trace.children}
    assert seen >= {
        "caller_speech",
        "endpointing",
        "speech_to_text",
        "end_of_turn",
        "chat",
        "text_to_speech",
        "playout",
    }
    assert {"unheard_run"} < {name.partition(" ")[0] for name in seen}


def test_events_without_sense_do_no_harm() -> None:
    for seed in range(60):
        kept = KeptTraces()
        session = SessionTraces("call-1", "clinic", BEGAN_AT, kept)
        for event, transition in random_session(seed, 200)[1]:
            session.on_transition(event, transition)
        session.close()
