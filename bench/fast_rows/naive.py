"""The sequence everybody writes first: silence, then Whisper's 30 s, then the model to a sentence, then the voice.

The same weights and thread counts as the default placement has, nothing else going on, stock libraries where the node
has its own way: faster-whisper's `transcribe` with its defaults, Piper's own `synthesize`.
"""

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_rows.clips import Clip
from faster_whisper import WhisperModel
from piper import PiperVoice

from voice_contract.failures import Stage
from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.bench.engine_parts import EngineParts
from voice_inference.engines.base import Cancelled, CancelToken, LlmRequest, LlmText
from voice_orchestrator.profiles.loader import load_profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.session.policy import SessionPolicy

SILENCE_S: Final = 0.2
LANGUAGE: Final = "en"
"""Told, as the node is told; finding it out would cost one more pass of the encoder."""

SESSION: Final = "naive"
SENTENCE: Final = re.compile(r"[.!?]+[\"')]*(?=\s)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveTurn:
    """Milliseconds of each part of one turn."""

    silence_ms: float
    stt_ms: float
    llm_ms: float
    tts_ms: float

    @property
    def total_ms(self) -> float:
        """From the last speech sample to the first sound."""
        return self.silence_ms + self.stt_ms + self.llm_ms + self.tts_ms


def first_sentence(text: str, *, ended: bool) -> str:
    """The first sentence of a reply, complete; empty while it is not."""
    mark = SENTENCE.search(text)
    return text[: mark.end()].strip() if mark is not None else text.strip() if ended else ""


class NaiveAgent:
    """`start` before the first turn, `close` after the last."""

    def __init__(self, parts: EngineParts, profile: Path) -> None:
        """`profile`: the file of the agent it answers as."""
        placement, store = parts.resolved, parts.store
        stt, tts = placement.engine(Stage.STT).placed, placement.engine(Stage.TTS).placed
        self.stt_threads = stt.threads
        self._whisper = WhisperModel(
            str(store.verified_dir(stt.model)),
            device="cpu",
            compute_type=stt.precision,
            cpu_threads=stt.threads,
            local_files_only=True,
        )
        self._voice = PiperVoice.load(store.verified_dir(tts.model) / f"{tts.model}.onnx")
        self._llm = parts.llm()
        self._policy: SessionPolicy = policy_of(load_profile(profile).profile)

    async def start(self, clip: Clip) -> None:
        """Loads what is loaded late, and answers one clip that does not count."""
        await self._llm.start()
        await self.answer(clip)

    async def close(self) -> None:
        """Gives the language model back."""
        await self._llm.close()

    async def answer(self, clip: Clip) -> NaiveTurn:
        """One turn, stage after stage; the prompt before the caller's words is in the model's cache already."""
        said = (
            ChatMessage(role=ChatRole.SYSTEM, text=self._policy.system_text),
            ChatMessage(role=ChatRole.ASSISTANT, text=self._policy.greeting),
        )
        await self._llm.prime(SESSION, said, CancelToken())
        heard = clip.until(clip.speech_end_s + SILENCE_S)
        began_s = time.perf_counter()
        segments, _ = self._whisper.transcribe(heard, language=LANGUAGE)
        words = " ".join(segment.text.strip() for segment in segments)
        heard_s = time.perf_counter()
        sentence, written_s = await self._sentence((*said, ChatMessage(role=ChatRole.USER, text=words or "Hello.")))
        began_tts_s = time.perf_counter()
        next(iter(self._voice.synthesize(sentence)))
        spoken_s = time.perf_counter()
        return NaiveTurn(
            silence_ms=SILENCE_S * 1_000,
            stt_ms=(heard_s - began_s) * 1_000,
            llm_ms=(written_s - heard_s) * 1_000,
            tts_ms=(spoken_s - began_tts_s) * 1_000,
        )

    async def _sentence(self, messages: tuple[ChatMessage, ...]) -> tuple[str, float]:
        """The first sentence and when it was there; nothing of the generation is left."""
        generation = self._policy.generation
        request = LlmRequest(
            session_id=SESSION,
            messages=messages,
            max_tokens=generation.max_tokens,
            temperature=generation.temperature,
            top_p=generation.top_p,
            seed=generation.seed,
            stop=generation.stop,
            deadline_s=time.monotonic(),
        )
        cancel, text, sentence = CancelToken(), "", ""
        written_s = 0.0
        with suppress(Cancelled):
            async for item in self._llm.generate(request, cancel):
                if isinstance(item, LlmText) and not sentence:
                    text += item.text
                    sentence, written_s = first_sentence(text, ended=False), time.perf_counter()
                    if sentence:
                        cancel.cancel()
        if not sentence:
            sentence, written_s = first_sentence(text, ended=True), time.perf_counter()
        return sentence or "Hello.", written_s
