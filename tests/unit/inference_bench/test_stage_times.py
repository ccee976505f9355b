"""Every engine alone, measured on engines that do what the test says."""

import asyncio

import pytest
from support.scripted_engines import LoudnessVad, ScriptedEndOfTurn, ScriptedLlm, ScriptedStt, ScriptedTts

from voice_inference.bench.speech import speech_of_voice
from voice_inference.bench.stage_times import (
    BATCHES,
    FIRST_CLAUSE,
    SENTENCE,
    UTTERANCES_S,
    end_of_turn_ms,
    llm_time,
    stt_times,
    tts_time,
    vad_times,
)
from voice_inference.bench.thread_counts import counts_to_try

SPEECH = speech_of_voice(ScriptedTts())


def test_vad_is_measured_in_batches() -> None:
    times = vad_times(LoudnessVad(), SPEECH, 1)
    assert tuple(time.batch for time in times) == BATCHES
    for time in times:
        assert time.window_us == pytest.approx(time.call_us / time.batch)
        assert time.windows_per_s == pytest.approx(1e6 / time.window_us)
        assert time.session_second_ms == pytest.approx(time.window_us * 31.25 / 1_000)


def test_stt_hears_utterances_of_several_lengths() -> None:
    engine = ScriptedStt()
    times = stt_times(engine, SPEECH, 2)
    assert engine.heard == [round(length_s * 16_000) for length_s in UTTERANCES_S for _ in range(2)]
    assert all(time.real_time_factor == pytest.approx(time.took_ms / 1_000 / time.length_s) for time in times)


def test_a_pause_is_scored() -> None:
    engine = ScriptedEndOfTurn()
    assert end_of_turn_ms(engine, SPEECH, 3) >= 0
    assert engine.judged == [64_000] * 3


def test_the_voice_says_a_clause_and_a_sentence() -> None:
    engine = ScriptedTts()
    time = tts_time(engine, 2)
    assert set(engine.spoken) <= {FIRST_CLAUSE, SENTENCE}
    assert SENTENCE in engine.spoken
    assert time.first_clause_ms >= 0


def test_the_model_answers_new_conversations_and_their_next_turns() -> None:
    engine = ScriptedLlm()
    time = asyncio.run(llm_time(engine, 2))
    first, following, second, _ = engine.asked
    assert first.messages == following.messages[:3]
    assert following.messages[3].text == "Yes, of course we are."
    assert first.session_id == following.session_id != second.session_id
    assert first.messages[0].text != second.messages[0].text
    assert first.messages[0].text[:13] != second.messages[0].text[:13], "a cache would know the beginning"
    assert engine.forgotten == ["bench-0", "bench-1"]
    assert (time.prompt_tokens, time.tokens_per_s > 0) == (3, True)


@pytest.mark.parametrize(("cores", "counts"), [(1, (1,)), (2, (1, 2)), (4, (1, 2, 3, 4)), (10, (1, 2, 3, 4, 6, 8, 10))])
def test_thread_counts_go_up_to_all_cores(cores: int, counts: tuple[int, ...]) -> None:
    assert counts_to_try(cores) == counts
