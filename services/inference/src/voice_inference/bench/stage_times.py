"""What one piece of work of each engine takes with nothing else going on. Medians."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.bench.figures import Stopwatch
from voice_inference.bench.findings import LlmTime, SttTime, TtsTime, VadTime
from voice_inference.bench.speech import Speech, spoken
from voice_inference.clock import monotonic_s
from voice_inference.engines.base import (
    CancelToken,
    EndOfTurnEngine,
    FloatSamples,
    LlmEnd,
    LlmEngine,
    LlmRequest,
    LlmText,
    SttEngine,
    TtsEngine,
    VadEngine,
)

LANGUAGE: Final = "en-US"
BATCHES: Final = (1, 16, 50)
UTTERANCES_S: Final = (2.0, 5.0, 10.0)
VAD_CALLS_PER_REPEAT: Final = 40
END_OF_TURN_S: Final = 4.0
REPLY_TOKENS: Final = 24
FIRST_CLAUSE: Final = "We are open from Monday to Friday,"
SENTENCE: Final = "We are open from Monday to Friday, and I can give you an appointment on Thursday at three."
INSTRUCTIONS: Final = (
    "You are Joe, the friendly receptionist of Bright Smile Dental, a dental practice in Springfield. You talk with a "
    "patient on the telephone. Answer in one or two short spoken sentences, without lists. The practice is open Monday "
    "to Friday, eight to five. You book appointments, answer simple questions and ask one question back. You never "
    "give medical advice."
)
GREETING: Final = ChatMessage(role=ChatRole.ASSISTANT, text="Bright Smile Dental, this is Joe. How can I help you?")
QUESTION: Final = ChatMessage(role=ChatRole.USER, text="Hello, are you open on Saturday morning?")


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """How long `work` takes."""
    took_ms = []
    for _ in range(repeats):
        watch = Stopwatch()
        work()
        took_ms.append(watch.ms())
    return median(took_ms)


def vad_times(engine: VadEngine, speech: Speech, repeats: int) -> tuple[VadTime, ...]:
    """One batched call of each size."""
    return tuple(_vad_time(engine, speech, batch, repeats) for batch in BATCHES)


def _vad_time(engine: VadEngine, speech: Speech, batch: int, repeats: int) -> VadTime:
    size = engine.window_samples
    sound = speech.lasting(batch * size / SAMPLE_RATE_HZ)[: batch * size]
    windows = np.resize(sound, (batch, size))
    states = [engine.new_state() for _ in range(batch)]

    def calls() -> None:
        nonlocal states
        for _ in range(VAD_CALLS_PER_REPEAT):
            _, states = engine.score(windows, states)

    call_us = median_ms(calls, repeats) * 1_000 / VAD_CALLS_PER_REPEAT
    window_us = max(call_us / batch, 1e-3)
    return VadTime(
        batch=batch,
        call_us=call_us,
        window_us=window_us,
        windows_per_s=1e6 / window_us,
        session_second_ms=window_us * SAMPLE_RATE_HZ / size / 1_000,
    )


def stt_times(engine: SttEngine, speech: Speech, repeats: int) -> tuple[SttTime, ...]:
    """Utterances of several lengths."""
    return tuple(_stt_time(engine, speech.lasting(length_s), repeats) for length_s in UTTERANCES_S)


def _stt_time(engine: SttEngine, samples: FloatSamples, repeats: int) -> SttTime:
    took_ms = median_ms(lambda: engine.transcribe(samples, LANGUAGE, CancelToken()), repeats)
    length_s = len(samples) / SAMPLE_RATE_HZ
    return SttTime(length_s=length_s, took_ms=took_ms, real_time_factor=took_ms / 1_000 / length_s)


def end_of_turn_ms(engine: EndOfTurnEngine, speech: Speech, repeats: int) -> float:
    """One score of a pause."""
    samples = speech.lasting(END_OF_TURN_S)
    return median_ms(lambda: engine.score(samples, CancelToken()), repeats)


def tts_time(engine: TtsEngine, repeats: int) -> TtsTime:
    """A first clause to its first sound, and a sentence to its end."""
    length_s = len(spoken(engine, SENTENCE)) / SAMPLE_RATE_HZ
    first_ms = median_ms(lambda: next(iter(engine.synthesize(FIRST_CLAUSE, "", 1.0, CancelToken()))), repeats)
    whole_ms = median_ms(lambda: spoken(engine, SENTENCE), repeats)
    return TtsTime(first_clause_ms=first_ms, real_time_factor=whole_ms / 1_000 / length_s)


async def llm_time(engine: LlmEngine, repeats: int) -> LlmTime:
    """Replies in conversations that are new every time, and their next turns. The engine was started."""
    cold, cached, rates = [], [], []
    prompt_tokens = 0
    for index in range(repeats):
        # The first words differ: nothing of the prompt is cached, whatever was asked before.
        system = ChatMessage(role=ChatRole.SYSTEM, text=f"Call number {index + 1}. {INSTRUCTIONS}")
        messages = (system, GREETING, QUESTION)
        first = await written(engine, f"bench-{index}", messages)
        cold.append(first.first_ms)
        rates.append(first.tokens_per_s)
        prompt_tokens = first.end.prompt_tokens
        answer = ChatMessage(role=ChatRole.ASSISTANT, text=first.text)
        following = await written(engine, f"bench-{index}", (*messages, answer, QUESTION))
        cached.append(following.first_ms)
        rates.append(following.tokens_per_s)
        await engine.forget(f"bench-{index}")
    return LlmTime(
        cold_first_ms=median(cold),
        cached_first_ms=median(cached),
        prompt_tokens=prompt_tokens,
        tokens_per_s=median(rates),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A reply as it was written, with its times."""

    text: str
    first_ms: float
    total_ms: float
    end: LlmEnd

    @property
    def tokens_per_s(self) -> float:
        """From the first text on."""
        return max(0, self.end.generated_tokens - 1) * 1_000 / max(self.total_ms - self.first_ms, 1e-3)


async def written(engine: LlmEngine, session_id: str, messages: tuple[ChatMessage, ...]) -> Written:
    """Has a short reply written; raises what LlmEngine.generate raises."""
    request = LlmRequest(
        session_id=session_id,
        messages=messages,
        max_tokens=REPLY_TOKENS,
        temperature=0.0,
        top_p=1.0,
        seed=0,
        stop=(),
        deadline_s=monotonic_s(),
    )
    watch, first_ms, text = Stopwatch(), 0.0, ""
    end = None
    async for item in engine.generate(request, CancelToken()):
        first_ms = first_ms or watch.ms()
        if isinstance(item, LlmText):
            text += item.text
        elif isinstance(item, LlmEnd):
            end = item
    assert end is not None, "a generation nobody disturbs ends with LlmEnd"
    return Written(text=text, first_ms=first_ms, total_ms=watch.ms(), end=end)
