"""Scripted engines that say back what they were told: a turn is a number, its answer sentences that name it.

What the caller's sound tells (see told_sound) is the transcript, "turn 7"; the reply to it is "Answer 7 part 1 is this.
Answer 7 part 2 is this. ...", and each sentence is spoken as sound that tells 7 and its part again. Who listens at the
other end knows which turn was answered, how far, and whether a sentence came twice.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from support.told_sound import FULL_SCALE, tell, told_in

from voice_contract.audio import samples_from_ms
from voice_contract.failures import Stage
from voice_contract.messages import ChatMessage, ChatRole, EngineDescription, FinishReason
from voice_inference.engines.base import (
    CancelToken,
    FloatSamples,
    IntSamples,
    LlmEnd,
    LlmItem,
    LlmRequest,
    LlmText,
    SttResult,
    TtsEnd,
)

PARTS_MAX: Final = 16
TURN_SAMPLES_MIN: Final = samples_from_ms(60)
"""A number told more briefly is the end of another turn's sound, not a turn."""

PIECE_SAMPLES: Final = samples_from_ms(200)
SENTENCE: Final = re.compile(r"Answer (\d+) part (\d+)")
TURN: Final = re.compile(r"turn (\d+)")


def sentence_number(turn: int, part: int) -> int:
    """What the sound of a sentence tells; 0 is every line that answers no turn."""
    return turn * PARTS_MAX + part


def turn_and_part(number: int) -> tuple[int, int]:
    """The sentence a number stands for."""
    return divmod(number, PARTS_MAX)


@dataclass(frozen=True, slots=True)
class TellingStt:
    """Implements SttEngine: the turns whose numbers are told."""

    def describe(self) -> EngineDescription:
        return EngineDescription(stage=Stage.STT, engine="scripted", model="numbers", device="cpu")

    def warm_up(self) -> None:
        pass

    def transcribe(self, samples: FloatSamples, language: str, cancel: CancelToken, expected: str = "") -> SttResult:
        cancel.raise_if_cancelled()
        heard = told_in(np.round(samples * FULL_SCALE).astype(np.int16))
        turns = dict.fromkeys(told.number for told in heard if told.samples >= TURN_SAMPLES_MIN)
        text = " and ".join(f"turn {turn}" for turn in turns)
        return SttResult(text=f"This is {text}." if text else "", mean_log_probability=-0.1, no_speech_probability=0.05)


WHOLE_SENTENCE = 0.6
"""What a model gives whole sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingLlm:
    """Implements LlmEngine: `sentences` of them about the newest turn, a word every `token_ms`."""

    sentences: int
    token_ms: float

    def describe(self) -> EngineDescription:
        return EngineDescription(
            stage=Stage.LLM, engine="scripted", model="clerk", device="cpu", streaming=True, scores_words=True
        )

    async def start(self) -> None:
        pass

    async def generate(self, request: LlmRequest, cancel: CancelToken) -> AsyncIterator[LlmItem]:
        asked = next((each.text for each in reversed(request.messages) if each.role is ChatRole.USER), "")
        turns = TURN.findall(asked)
        turn = int(turns[-1]) if turns else 0
        words = [
            f"{word} "
            for part in range(1, self.sentences + 1)
            for word in f"Answer {turn} part {part} is this.".split()
        ]
        for word in words:
            await asyncio.sleep(self.token_ms / 1_000)
            cancel.raise_if_cancelled()
            yield LlmText(text=word)
        yield LlmEnd(
            reason=FinishReason.STOP,
            prompt_tokens=len(request.messages),
            cached_tokens=0,
            generated_tokens=len(words),
            queued_us=0,
        )

    async def prime(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> None:
        pass

    async def score_words(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> float:
        return WHOLE_SENTENCE

    async def forget(self, session_id: str) -> None:
        pass

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingTts:
    """Implements TtsEngine: `word_ms` of sound for every word, made `speed` times as fast as it is heard."""

    word_ms: int
    speed: float

    def describe(self) -> EngineDescription:
        return EngineDescription(stage=Stage.TTS, engine="scripted", model="teller", device="cpu", voices=("teller",))

    def warm_up(self) -> None:
        pass

    def synthesize(
        self, text: str, voice: str, speaking_rate: float, cancel: CancelToken
    ) -> Iterator[IntSamples | TtsEnd]:
        named = SENTENCE.search(text)
        number = sentence_number(int(named[1]), int(named[2])) if named else 0
        words = len(text.split())
        sound = tell(number, samples_from_ms(words * self.word_ms))
        for at in range(0, len(sound), PIECE_SAMPLES):
            piece = sound[at : at + PIECE_SAMPLES]
            time.sleep(len(piece) / samples_from_ms(1_000) / self.speed)
            cancel.raise_if_cancelled()
            yield piece
        yield TtsEnd(word_end_samples=tuple(samples_from_ms((at + 1) * self.word_ms) for at in range(words)))
