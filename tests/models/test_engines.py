"""The real engines on real weights and human speech: what their adapters promise."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from voice_contract.failures import FailureReason, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole, FinishReason, ToolDeclaration, VadSettings
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import (
    Cancelled,
    CancelToken,
    FloatSamples,
    IntSamples,
    LlmEnd,
    LlmRequest,
    LlmText,
    TtsEnd,
)
from voice_inference.engines.llm.llama_cpp import LlamaCpp
from voice_inference.engines.stt.faster_whisper import TEXTS_REMEMBERED, FasterWhisper
from voice_inference.engines.stt.word_decoder import SpecialTokens, Tokens
from voice_inference.engines.tts.piper import Piper
from voice_inference.engines.vad.silero import SileroVad, bundled_model
from voice_inference.server.speech_segmenter import SpeechSegmenter

pytestmark = pytest.mark.models

SPEECH = Path(__file__).resolve().parents[2] / "test_data" / "speech"
CLIPS = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]
SPOKEN = [clip for clip in CLIPS if clip["text"] and not clip["file"].startswith("noise/")]
SYSTEM = ChatMessage(role=ChatRole.SYSTEM, text="You are Joe, the receptionist of a dental practice. Be brief.")


def sound_of(clip: dict[str, Any]) -> FloatSamples:
    samples, rate_hz = soundfile.read(SPEECH / clip["file"], dtype="float32")
    assert rate_hz == 16_000
    sound: FloatSamples = samples
    return sound


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+|\d+", text.lower())


def edit_distance(first: list[str], second: list[str]) -> int:
    row = list(range(len(second) + 1))
    for i, word in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


# --- hearing


@pytest.fixture(scope="module")
def stt() -> FasterWhisper:
    folder = ModelStore(default_cache_dir()).verified_dir("whisper-base")
    return FasterWhisper(folder, model="whisper-base", device="cpu", threads=2, precision="int8")


def test_human_speech_is_understood(stt: FasterWhisper) -> None:
    errors = total = 0
    for clip in SPOKEN:
        expected = words(clip["text"])
        errors += edit_distance(expected, words(stt.transcribe(sound_of(clip), "en-US", CancelToken()).text))
        total += len(expected)
    assert errors / total < 0.2, f"{errors} of {total} words are wrong"


def test_silence_and_clicks_have_no_probable_words(stt: FasterWhisper) -> None:
    silence = np.zeros(16_000, dtype=np.float32)
    assert len(words(stt.transcribe(silence, "en-US", CancelToken()).text)) <= 2
    assert stt.transcribe(silence[:800], "en-US", CancelToken()).text == ""


def test_an_utterance_longer_than_the_window_loses_nothing(stt: FasterWhisper) -> None:
    clips = [clip for clip in SPOKEN if clip["seconds"] > 3]
    pause = np.zeros(8_000, dtype=np.float32)
    parts: list[FloatSamples] = []
    said: list[str] = []
    for clip in clips * 2:
        if sum(len(part) for part in parts) > 45 * 16_000:
            break
        parts += [sound_of(clip), pause]
        said += words(clip["text"])
    heard = words(stt.transcribe(np.concatenate(parts), "en-US", CancelToken()).text)
    alone = [word for part in parts[::2] for word in words(stt.transcribe(part, "en-US", CancelToken()).text)]
    assert sum(len(part) for part in parts) > 40 * 16_000
    assert abs(len(heard) - len(alone)) <= 3
    assert edit_distance(said, heard) / len(said) < 0.2


def test_sound_without_speech_is_told_from_speech(stt: FasterWhisper) -> None:
    spoken = [stt.transcribe(sound_of(clip), "en-US", CancelToken()).no_speech_probability for clip in SPOKEN]
    noises = [clip for clip in CLIPS if clip["file"].startswith("noise/")]
    noisy = [stt.transcribe(sound_of(clip), "en-US", CancelToken()).no_speech_probability for clip in noises]
    silent = stt.transcribe(np.zeros(16_000, dtype=np.float32), "en-US", CancelToken()).no_speech_probability
    assert max(spoken) < 0.5 < silent
    # Clicks are the hardest: they score like the shortest commands.
    assert np.mean(noisy) > 5 * np.mean(spoken)


def test_a_sentence_that_breaks_off_is_said_to_go_on(stt: FasterWhisper) -> None:
    """Most of the time: one witness of three."""
    higher = 0
    long = [sound_of(clip) for clip in SPOKEN if clip["seconds"] > 3]
    for sound in long:
        whole, half = (stt.transcribe(part, "en-US", CancelToken()) for part in (sound, sound[: len(sound) // 2]))
        assert 0 < whole.continuation_probability < 1
        higher += half.continuation_probability > whole.continuation_probability
    assert higher > 0.7 * len(long)
    assert stt.transcribe(np.zeros(800, dtype=np.float32), "en-US", CancelToken()).continuation_probability == 0.0


def test_a_word_in_a_long_silence_is_speech(stt: FasterWhisper) -> None:
    silence = np.zeros(30 * 16_000, dtype=np.float32)
    clip = sound_of(next(clip for clip in SPOKEN if clip["file"] == "cmd_what_time_is_it.wav"))
    heard = stt.transcribe(np.concatenate([silence, clip]), "en-US", CancelToken())
    assert heard.no_speech_probability < 0.5
    assert "time" in heard.text


def test_a_cancelled_transcription_ends_before_it_begins(stt: FasterWhisper) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        stt.transcribe(sound_of(SPOKEN[0]), "en-US", cancel)


def test_a_language_whisper_does_not_know_is_refused(stt: FasterWhisper) -> None:
    with pytest.raises(VoiceAgentError, match="does not know the language"):
        stt.transcribe(sound_of(SPOKEN[0]), "tlh", CancelToken())


@pytest.mark.parametrize("clip", [clip for clip in SPOKEN if clip["seconds"] > 3][:3], ids=lambda clip: clip["file"])
def test_what_was_heard_before_the_end_changes_no_words(stt: FasterWhisper, clip: dict[str, Any]) -> None:
    sound = sound_of(clip)
    plain = stt.transcribe(sound, "en-US", CancelToken())
    before = stt.transcribe(sound[:-8_000], "en-US", CancelToken())
    assert len(words(before.text)) > 3
    found = stt.transcribe(sound, "en-US", CancelToken(), before.text)
    assert words(found.text) == words(plain.text)
    # What is wrong to the first word is as good as nothing.
    other = stt.transcribe(sound_of(SPOKEN[0])[:16_000], "en-US", CancelToken())
    assert words(stt.transcribe(sound, "en-US", CancelToken(), other.text).text) == words(plain.text)


class ToldListener:
    """Implements Listener: writes what it is told to, and keeps the drafts it is given."""

    multilingual = False

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.drafts: list[tuple[int, ...]] = []

    def cuts(self, samples: int) -> bool:
        return False

    def hear(
        self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken, draft: Sequence[int] = ()
    ) -> Tokens:
        self.drafts.append(tuple(draft))
        return Tokens(ids=self.ids, log_probability=-0.1, no_speech=0.0)

    def hear_in_full(self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken) -> Tokens:
        return self.hear(samples, special, limit, cancel)


def test_the_tokens_of_the_last_texts_are_remembered_and_no_more(
    stt: FasterWhisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = ToldListener()
    monkeypatch.setattr(stt, "_listener", listener)
    monkeypatch.setattr(stt, "_written", {})

    def hear(text: str, expected: str) -> tuple[int, ...]:
        """Has `text` heard; the draft that came of `expected`."""
        listener.ids = stt._vocabulary.encode(f" {text}", add_special_tokens=False).ids
        assert stt.transcribe(np.zeros(16_000, dtype=np.float32), "en", CancelToken(), expected).text == text
        return listener.drafts[-1]

    assert hear("first", "nobody said this") == ()
    first = tuple(listener.ids)
    for number in range(TEXTS_REMEMBERED - 2):
        hear(f"number {number}", "")
    assert hear("last", "first") == first
    hear("first", "")  # again, and so not the oldest any more
    hear("one more", "")
    assert len(stt._written) == TEXTS_REMEMBERED
    assert hear("another", "number 0") == ()
    assert hear("another", "first") == first


# --- voice activity


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad(bundled_model())


@pytest.mark.parametrize("clip", SPOKEN, ids=lambda clip: str(clip["file"]))
def test_speech_is_found_where_people_marked_it(vad: SileroVad, clip: dict[str, Any]) -> None:
    settings = VadSettings(activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=64, min_silence_ms=200)
    segmenter, state = SpeechSegmenter(settings, vad.window_samples), vad.new_state()
    sound = np.concatenate([sound_of(clip), np.zeros(16_000, dtype=np.float32)])
    found = []
    for at in range(0, len(sound) - vad.window_samples + 1, vad.window_samples):
        probabilities, (state,) = vad.score(sound[None, at : at + vad.window_samples], [state])
        decided = segmenter.accept(at, float(probabilities[0]))
        if decided is not None:
            found.append(decided)
    first, last = found[0], found[-1]
    assert abs(getattr(first, "start_offset_samples", 0) / 16_000 - clip["speech_start_s"]) < 0.4
    assert abs(getattr(last, "end_offset_samples", 0) / 16_000 - clip["speech_end_s"]) < 0.7


def test_a_batch_of_sessions_scores_as_each_alone(vad: SileroVad) -> None:
    windows = np.stack([sound_of(clip)[8_000 : 8_000 + vad.window_samples] for clip in SPOKEN[:5]])
    together, _ = vad.score(windows, [vad.new_state() for _ in windows])
    alone = [float(vad.score(window[None], [vad.new_state()])[0][0]) for window in windows]
    assert np.allclose(together, alone, atol=1e-4)


# --- speaking


@pytest.fixture(scope="module")
def tts() -> Piper:
    folder = ModelStore(default_cache_dir()).verified_dir("en_US-joe-medium")
    return Piper(folder, model="en_US-joe-medium", device="cpu", threads=2)


def spoken(tts: Piper, text: str, rate: float = 1.0) -> tuple[IntSamples, tuple[int, ...]]:
    """The sound of `text` and where its words end in it."""
    *pieces, end = tts.synthesize(text, "", rate, CancelToken())
    assert isinstance(end, TtsEnd)
    return np.concatenate([piece for piece in pieces if not isinstance(piece, TtsEnd)]), end.word_end_samples


def test_what_is_spoken_can_be_understood(tts: Piper, stt: FasterWhisper) -> None:
    text = "We are open from Monday to Friday, and closed on the weekend."
    sound, _ = spoken(tts, text)
    heard = stt.transcribe((sound / 32_768).astype(np.float32), "en-US", CancelToken()).text
    assert edit_distance(words(text), words(heard)) <= 1


def test_speech_begins_at_once_and_never_clips(tts: Piper) -> None:
    sound, _ = spoken(tts, "Good morning to you.")
    assert np.flatnonzero(np.abs(sound.astype(np.int32)) > 300)[0] < 800
    assert np.abs(sound.astype(np.int32)).max() < 32_000


def test_faster_speech_is_shorter(tts: Piper) -> None:
    text = "We are open from Monday to Friday."
    assert len(spoken(tts, text, rate=1.5)[0]) < 0.85 * len(spoken(tts, text)[0])


def test_a_cancelled_synthesis_stops_at_the_next_piece(tts: Piper) -> None:
    cancel = CancelToken()
    pieces = tts.synthesize("We are open from Monday to Friday, and closed on the weekend.", "", 1.0, cancel)
    next(pieces)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(pieces)


@pytest.mark.parametrize(
    ("text", "voice", "reason"),
    [("...", "", FailureReason.EMPTY_RESULT), ("Hello.", "nobody", FailureReason.MODEL_MISSING)],
)
def test_what_cannot_be_spoken_is_a_failure(tts: Piper, text: str, voice: str, reason: FailureReason) -> None:
    with pytest.raises(VoiceAgentError) as refused:
        list(tts.synthesize(text, voice, 1.0, CancelToken()))
    assert refused.value.failure.reason is reason


# --- writing


@pytest.fixture(scope="module")
def llm() -> Iterator[LlamaCpp]:
    folder = ModelStore(default_cache_dir()).verified_dir("smollm2-135m-instruct-q4_1")
    engine = LlamaCpp(
        next(folder.glob("*.gguf")),
        model="smollm2",
        device="cpu",
        threads=2,
        context_tokens=2_048,
        repeat_penalty=1.1,
        turns=CoreTurns(2),
    )

    async def start() -> None:
        await engine.start()

    asyncio.run(start())
    yield engine
    asyncio.run(engine.close())


def request(*said: str, max_tokens: int = 24, stop: tuple[str, ...] = ()) -> LlmRequest:
    roles = (ChatRole.USER, ChatRole.ASSISTANT)
    messages = tuple(ChatMessage(role=roles[i % 2], text=text) for i, text in enumerate(said))
    return LlmRequest(
        session_id="s",
        messages=(SYSTEM, *messages),
        max_tokens=max_tokens,
        temperature=0.0,
        top_p=1.0,
        seed=7,
        stop=stop,
        deadline_s=0.0,
    )


async def written(engine: LlamaCpp, asked: LlmRequest) -> tuple[str, LlmEnd]:
    items = [item async for item in engine.generate(asked, CancelToken())]
    end = items[-1]
    assert isinstance(end, LlmEnd)
    return "".join(item.text for item in items if isinstance(item, LlmText)), end


async def test_a_reply_is_written_and_the_same_one_again(llm: LlamaCpp) -> None:
    first, end = await written(llm, request("Hello, who are you?"))
    again, _ = await written(llm, request("Hello, who are you?"))
    assert len(words(first)) >= 3
    assert first == again
    assert end.generated_tokens > 0


async def test_a_reply_is_as_long_as_it_may_be(llm: LlamaCpp) -> None:
    _, end = await written(llm, request("Tell me a long story.", max_tokens=5))
    assert (end.reason, end.generated_tokens) == (FinishReason.LENGTH, 5)


async def test_a_stop_text_ends_a_reply_and_is_not_said(llm: LlamaCpp) -> None:
    whole, _ = await written(llm, request("Hello, who are you?"))
    stop = words(whole)[2]
    cut, end = await written(llm, request("Hello, who are you?", stop=(stop,)))
    assert stop not in cut
    assert end.reason is FinishReason.STOP


async def test_the_next_turn_reads_only_what_is_new(llm: LlamaCpp) -> None:
    reply, _ = await written(llm, request("Hello, who are you?"))
    _, end = await written(llm, request("Hello, who are you?", reply, "And what do you do?"))
    assert end.cached_tokens > 0.6 * end.prompt_tokens


async def test_a_primed_prompt_is_not_read_again(llm: LlamaCpp) -> None:
    await llm.prime("s", (SYSTEM,), CancelToken())
    _, end = await written(llm, request("Good day."))
    assert end.cached_tokens >= 15


async def test_what_was_said_of_tools_is_left_out(llm: LlamaCpp) -> None:
    plain = request("Hello, who are you?")
    asked = ChatMessage(role=ChatRole.ASSISTANT, text="", tool_call_id="1", tool_name="find", tool_arguments="{}")
    answer = ChatMessage(role=ChatRole.TOOL, text="nothing", tool_call_id="1", tool_name="find")
    tool = ToolDeclaration(name="find", description="Finds.", parameters_schema="{}")
    with_tools = replace(plain, messages=(*plain.messages[:-1], asked, answer, plain.messages[-1]), tools=(tool,))
    assert (await written(llm, with_tools))[0] == (await written(llm, plain))[0]
    assert not llm.describe().tools


async def test_a_cancel_stops_within_a_token(llm: LlamaCpp) -> None:
    cancel = CancelToken()
    seen = 0

    async def read() -> None:
        nonlocal seen
        async for _ in llm.generate(request("Tell me a long story.", max_tokens=500), cancel):
            seen += 1
            if seen == 3:
                cancel.cancel()

    with pytest.raises(Cancelled):
        await read()
    assert seen <= 4
    _, end = await written(llm, request("Hello."))
    assert end.generated_tokens > 0


async def test_a_conversation_longer_than_the_context_is_cut_at_its_beginning(llm: LlamaCpp) -> None:
    long = ["word " * 300, "word " * 300] * 5
    _, end = await written(llm, request(*long, "Hello, who are you?"))
    assert end.prompt_tokens < 2_048
    assert end.generated_tokens > 0
