"""What a caller of the bench asks of a node, in the order of the orchestrator."""

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import Event, Payload, WorkTiming
from voice_inference.bench.turns import Command, Turn, Turns

ENDED = m.GenerationEnded(
    reason=m.FinishReason.STOP, prompt_tokens=9, cached_tokens=0, generated_tokens=5,
    timing=WorkTiming(queued_us=1_000, first_result_us=40_000, total_us=90_000),
)  # fmt: skip


class Talk:
    """A turn on a clock of its own; `asked` is what the node was last asked for."""

    def __init__(self, *, scores: bool = True) -> None:
        self.turns = Turns("Be brief.", scores=scores)
        self.turn: Turn = self.turns.begin()
        self.now_s = 10.0
        self.asked: list[Command] = []

    def hear(self, payload: Payload, run_id: int = 0, *, after_s: float = 0.0) -> list[Payload]:
        self.now_s += after_s
        event = Event(session_id="s", sequence=1, sender_monotonic_us=0, payload=payload, run_id=run_id)
        self.asked = self.turns.accept(event, self.now_s)
        return [payload for payload, _ in self.asked]

    def tick(self, after_s: float = 0.0) -> list[Payload]:
        self.now_s += after_s
        self.asked = self.turns.tick(self.now_s)
        return [payload for payload, _ in self.asked]

    def speak(self, start: int = 16_000, end: int = 32_000) -> list[Payload]:
        """Speech from `start` to `end`; what its pause asks for."""
        self.hear(m.SpeechStarted(start_offset_samples=start, detected_offset_samples=start + 512))
        return self.hear(m.SpeechEnded(end_offset_samples=end, detected_offset_samples=end + 1_536))

    def words(self, text: str = "Are you open?", *, kind: m.TranscriptKind = m.TranscriptKind.FINAL) -> list[Payload]:
        """The words of the newest request."""
        return self.hear(
            m.Transcript(
                speaker=m.Speaker.CALLER, kind=kind, text=text, utterance_id=self.turn.id, revision=self.turn.revision,
                timing=WorkTiming(queued_us=5_000, total_us=200_000),
            )
        )  # fmt: skip

    def written(self, text: str) -> list[Payload]:
        """A piece of the answer."""
        delta = m.Transcript(speaker=m.Speaker.AGENT, kind=m.TranscriptKind.DELTA, text=text)
        return self.hear(delta, self.turn.run_id)

    def sounded(self, samples: int = 3_200) -> None:
        """Sound of the answer."""
        self.hear(m.Audio(pcm=bytes(2 * samples), offset_samples=0), self.turn.run_id)

    def spoken(self, segment: int, samples: int = 16_000) -> list[Payload]:
        """A whole segment."""
        ended = m.SynthesisEnded(segment_index=segment, total_samples=samples, timing=WorkTiming())
        return self.hear(ended, self.turn.run_id)


def test_a_turn_is_transcribed_scored_answered_and_spoken() -> None:
    talk = Talk()
    transcribe, score = talk.speak()
    assert isinstance(transcribe, m.Transcribe)
    assert (transcribe.kind, transcribe.start_offset_samples) == (m.TranscribeKind.FINAL, 11_200)
    assert transcribe.end_offset_samples == 35_200
    assert isinstance(score, m.ScoreEndOfTurn)
    assert (score.utterance_id, score.revision, score.end_offset_samples) == (1, 1, 33_536)
    (generate,) = talk.words()
    assert isinstance(generate, m.Generate)
    assert [message.text for message in generate.messages] == ["Be brief.", "Are you open?"]
    assert talk.asked[0][1] == 1
    assert talk.written("Yes, we are op") == []
    assert talk.written("en, until five.") == [
        m.Synthesize(segment_index=0, text="Yes, we are open,", speaking_rate=1.0)
    ]
    assert talk.asked[0][1] == 1
    assert talk.hear(ENDED, 1) == [m.Synthesize(segment_index=1, text="until five.", speaking_rate=1.0)]
    assert (talk.turn.stt_us, talk.turn.first_text_us) == (205_000, 41_000)


def test_the_first_sound_is_noted_and_the_turn_ends_when_all_was_heard() -> None:
    talk = Talk()
    talk.speak()
    talk.words()
    talk.written("Yes.")
    talk.hear(ENDED, 1)
    talk.sounded()
    first_s = talk.now_s
    talk.hear(m.Audio(pcm=b"\0\0", offset_samples=3_200), 1, after_s=0.5)
    talk.spoken(0)
    assert talk.turn.sounded_s == first_s
    assert not talk.turn.is_over(first_s + 0.99)
    assert talk.turn.is_over(first_s + 1.0)


def test_a_turn_that_was_answered_is_remembered() -> None:
    talk = Talk()
    talk.speak()
    talk.words()
    talk.written("Yes.")
    talk.hear(ENDED, 1)
    talk.sounded()
    talk.spoken(0)
    ((prime, run_id),) = talk.turns.end()
    assert isinstance(prime, m.PrimePrompt)
    assert run_id == 0
    assert [message.text for message in prime.messages] == ["Be brief.", "Are you open?", "Yes."]
    talk.turn = talk.turns.begin()
    talk.speak()
    (generate,) = talk.words("And tomorrow?")
    assert isinstance(generate, m.Generate)
    assert [message.role.value for message in generate.messages] == ["system", "user", "assistant", "user"]
    assert (talk.turn.id, talk.asked[0][1]) == (2, 2)


def test_speech_that_goes_on_cancels_everything_and_the_turn_goes_on() -> None:
    talk = Talk()
    talk.speak(16_000, 32_000)
    talk.words()
    talk.written("Yes, certainly. We are.")
    talk.sounded()
    cancelled = talk.hear(m.SpeechStarted(start_offset_samples=40_000, detected_offset_samples=40_512))
    assert cancelled == [m.CancelTranscription(utterance_id=1), m.CancelRun()]
    assert talk.asked[1][1] == 1
    assert talk.turn.sounded_s is None
    transcribe, _ = talk.hear(m.SpeechEnded(end_offset_samples=60_000, detected_offset_samples=61_536))
    assert isinstance(transcribe, m.Transcribe)
    assert (transcribe.start_offset_samples, transcribe.revision) == (11_200, 2)
    talk.words()
    assert talk.turn.run_id == 2
    assert talk.hear(m.Audio(pcm=b"\0\0", offset_samples=0), 1) == []
    assert talk.turn.sounded_s is None


def test_words_so_far_are_asked_for_every_second_one_at_a_time() -> None:
    talk = Talk()
    talk.hear(m.SpeechStarted(start_offset_samples=16_000, detected_offset_samples=16_512))
    assert talk.tick(0.9) == []
    (partial,) = talk.tick(0.2)
    assert isinstance(partial, m.Transcribe)
    assert (partial.kind, partial.end_offset_samples) == (m.TranscribeKind.PARTIAL, 0)
    assert talk.tick(1.1) == []
    assert talk.words("are you", kind=m.TranscriptKind.PARTIAL) == []
    (again,) = talk.tick()
    assert isinstance(again, m.Transcribe)
    assert again.revision == 2


def test_segments_are_asked_for_a_few_ahead_of_what_is_heard() -> None:
    talk = Talk()
    talk.speak()
    talk.words()
    asked = talk.written("One is first. Two is next. Three is next. Four is next. Five is last. ")
    assert [segment.text for segment in asked if isinstance(segment, m.Synthesize)] == [
        "One is first.", "Two is next.", "Three is next.",
    ]  # fmt: skip
    talk.sounded()
    talk.spoken(0)
    assert talk.tick(0.9) == []
    (fourth,) = talk.tick(0.2)
    assert fourth == m.Synthesize(segment_index=3, text="Four is next.", speaking_rate=1.0)


def test_a_failure_ends_the_turn_with_its_reason() -> None:
    talk = Talk()
    talk.speak()
    talk.words()
    talk.hear(Failure(stage=Stage.TTS, reason=FailureReason.OVERLOADED), 1)
    assert talk.turn.failure == "tts: overloaded"
    assert talk.turn.is_over(talk.now_s)
    assert [payload for payload, _ in talk.turns.end()] == [m.CancelTranscription(utterance_id=1), m.CancelRun()]


def test_no_words_and_nothing_to_say_are_failures() -> None:
    talk = Talk()
    talk.speak()
    assert talk.words("") == []
    assert talk.turn.failure == "stt: no words"
    talk = Talk()
    talk.speak()
    talk.words()
    talk.hear(ENDED, 1)
    assert talk.turn.failure == "llm: nothing to say"


def test_a_node_that_does_not_score_is_not_asked_to() -> None:
    assert len(Talk(scores=False).speak()) == 1


def test_what_comes_between_turns_means_nothing() -> None:
    talk = Talk()
    assert talk.turns.end() == []
    assert talk.speak() == []
    assert talk.tick() == []


def test_superseded_words_are_not_answered() -> None:
    talk = Talk()
    talk.speak()
    stale = m.Transcript(speaker=m.Speaker.CALLER, kind=m.TranscriptKind.FINAL, text="no", utterance_id=1, revision=9)
    assert talk.hear(stale) == []
    assert len(talk.words()) == 1
