"""What the contract says of every event an inference node sends, as functions of the log of a session. Pure."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from voice_contract.audio import SAMPLE_BYTES
from voice_contract.failures import Failure
from voice_contract.messages import (
    Audio,
    CancelRun,
    EndOfTurnScored,
    Event,
    Generate,
    GenerationEnded,
    RunStopped,
    ScoreEndOfTurn,
    ScoreWords,
    SessionReady,
    Speaker,
    SpeechEnded,
    SpeechFaltered,
    SpeechStarted,
    SynthesisEnded,
    Synthesize,
    ToolRequested,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
    WordsScored,
)
from voice_orchestrator.conformance import envelope_rules as envelope
from voice_orchestrator.conformance.findings import Outcome, Rule
from voice_orchestrator.conformance.stream_log import StreamLog

READY: Final = Rule(name="ready_first", says="session_ready comes once, before anything else")
SPEECH: Final = Rule(
    name="speech",
    says="speech_started and speech_ended take turns, speech_faltered between them, at samples that had been sent",
)
TRANSCRIPTS: Final = Rule(name="transcripts", says="words of the caller answer one transcribe, once, as it was asked")
SUPERSEDED: Final = Rule(name="superseded", says="nothing is answered after a newer revision of it was")
SCORES: Final = Rule(
    name="scores", says="end_of_turn_scored answers one score_end_of_turn, words_scored one score_words, once"
)
GENERATION: Final = Rule(
    name="generation", says="deltas come before their one generation_ended, and only when asked for"
)
SYNTHESIS: Final = Rule(
    name="synthesis", says="segments sound in order and without gaps, and end once with their length"
)
WORD_ENDS: Final = Rule(name="word_ends", says="ends of words are as many as words, or none, within their segment")
STOPPED: Final = Rule(
    name="stopped_last", says="nothing of a run comes after its run_stopped, but the answer to a cancel"
)

Words = tuple[int, int]
"""Utterance and revision."""


def ready_first(log: StreamLog) -> Outcome:
    """See READY. A session that was refused is not asked."""
    ready = log.all(SessionReady)
    if not ready:
        return Outcome()
    problems = []
    if not isinstance(log.seen[0].event.payload, SessionReady):
        problems.append(f"{type(log.seen[0].event.payload).__name__} came before it")
    if len(ready) > 1:
        problems.append(f"it came {len(ready)} times")
    return Outcome(problems=tuple(problems), seen=1, things="sessions")


def speech(log: StreamLog) -> Outcome:
    """See SPEECH."""
    problems, count = [], 0
    started: SpeechStarted | None = None
    for each in log.seen:
        sent = max(
            (
                sound.offset_samples + len(sound.pcm) // SAMPLE_BYTES
                for sound, at in log.sent_of(Audio)
                if at.at_s < each.at_s
            ),
            default=0,
        )
        match each.event.payload:
            case SpeechStarted(start_offset_samples=start, detected_offset_samples=detected) as onset:
                count += 1
                if started is not None:
                    problems.append(f"speech began at {start} and had not ended before")
                if not start < detected <= sent:
                    problems.append(f"speech from {start} was detected at {detected}, {sent} samples were sent")
                started = onset
            case SpeechEnded(end_offset_samples=end, detected_offset_samples=detected):
                if started is None:
                    problems.append(f"speech ended at {end} and had not begun")
                elif not started.start_offset_samples < end <= detected <= sent:
                    problems.append(
                        f"speech from {started.start_offset_samples} ended at {end}, detected at {detected}, "
                        f"{sent} samples were sent"
                    )
                started = None
            case SpeechFaltered(detected_offset_samples=detected):
                if started is None:
                    problems.append(f"speech faltered at {detected} and had not begun")
                elif not started.start_offset_samples < detected <= sent:
                    problems.append(
                        f"speech from {started.start_offset_samples} faltered at {detected}, {sent} samples were sent"
                    )
            case _:
                continue
    return Outcome(problems=tuple(problems), seen=count, things="onsets")


def transcripts(log: StreamLog) -> Outcome:
    """See TRANSCRIPTS."""
    asked = {(ask.utterance_id, ask.revision): ask for ask, _ in log.sent_of(Transcribe)}
    problems, answered = [], Counter[Words]()
    for said, _ in log.all(Transcript):
        if said.speaker is not Speaker.CALLER:
            continue
        name = (said.utterance_id, said.revision)
        answered[name] += 1
        ask = asked.get(name)
        if ask is None:
            problems.append(f"{_shown(name)} was never asked for")
        elif (ask.kind is TranscribeKind.PARTIAL) is not (said.kind is TranscriptKind.PARTIAL):
            problems.append(f"{_shown(name)} was asked for as {ask.kind.value} and came as {said.kind.value}")
        elif said.start_offset_samples != ask.start_offset_samples or (
            ask.end_offset_samples and said.end_offset_samples > ask.end_offset_samples
        ):
            problems.append(f"{_shown(name)} is of samples {said.start_offset_samples} to {said.end_offset_samples}")
        if answered[name] == 2:
            problems.append(f"{_shown(name)} was answered twice")
    return Outcome(problems=tuple(problems), seen=answered.total(), things="answers")


def superseded(log: StreamLog) -> Outcome:
    """See SUPERSEDED."""
    problems, newest = [], dict[int, int]()
    asked = Counter(ask.utterance_id for ask, _ in log.sent_of(Transcribe))
    for said, _ in log.all(Transcript):
        if said.speaker is Speaker.CALLER:
            if said.revision < newest.get(said.utterance_id, 0):
                name = (said.utterance_id, said.revision)
                problems.append(f"{_shown(name)} was answered after revision {newest[said.utterance_id]}")
            newest[said.utterance_id] = max(newest.get(said.utterance_id, 0), said.revision)
    several = sum(1 for utterance in newest if asked[utterance] > 1)
    return Outcome(problems=tuple(problems), seen=several, things="turns asked about again")


def scores(log: StreamLog) -> Outcome:
    """See SCORES."""
    sounds_asked = {("the sound", ask.utterance_id, ask.revision) for ask, _ in log.sent_of(ScoreEndOfTurn)}
    words_asked = {("the words", ask.utterance_id, ask.revision) for ask, _ in log.sent_of(ScoreWords)}
    answered = Counter(("the sound", score.utterance_id, score.revision) for score, _ in log.all(EndOfTurnScored))
    answered.update(("the words", score.utterance_id, score.revision) for score, _ in log.all(WordsScored))
    problems = []
    for (what, *name), times in answered.items():
        shown = f"{what} of revision {name[1]} of turn {name[0]}"
        if (what, *name) not in sounds_asked | words_asked:
            problems.append(f"{shown} was never asked about")
        if times > 1:
            problems.append(f"{shown} was scored {times} times")
    return Outcome(problems=tuple(problems), seen=answered.total(), things="scores")


def _shown(name: Words) -> str:
    return f"revision {name[1]} of turn {name[0]}"


def generation(log: StreamLog) -> Outcome:
    """See GENERATION."""
    asked = Counter(at.run_id for _, at in log.sent_of(Generate))
    problems, ended = [], Counter[int]()
    for each in log.seen:
        run_id = each.event.run_id
        if not _is_writing(each.event):
            continue
        if not asked[run_id]:
            problems.append(f"{type(each.event.payload).__name__} of run {run_id}, which nobody asked to be written")
        elif ended[run_id] >= asked[run_id]:
            problems.append(f"{type(each.event.payload).__name__} of run {run_id} came after its generation_ended")
        ended[run_id] += isinstance(each.event.payload, GenerationEnded)
    return Outcome(problems=tuple(problems), seen=ended.total(), things="replies")


def _is_writing(event: Event) -> bool:
    match event.payload:
        case Transcript(kind=TranscriptKind.DELTA) | GenerationEnded() | ToolRequested():
            return True
        case _:
            return False


def synthesis(log: StreamLog) -> Outcome:
    """See SYNTHESIS."""
    asked = {(at.run_id, ask.segment_index) for ask, at in log.sent_of(Synthesize)}
    problems = []
    sent: dict[tuple[int, int], int] = {}
    ended: set[tuple[int, int]] = set()
    newest: dict[int, int] = {}
    for each in log.seen:
        payload, run_id = each.event.payload, each.event.run_id
        if not isinstance(payload, Audio | SynthesisEnded):
            continue
        name = (run_id, payload.segment_index)
        shown = f"segment {payload.segment_index} of run {run_id}"
        if name not in asked:
            problems.append(f"{shown} was never asked for")
        if name in ended:
            problems.append(f"{type(payload).__name__} of {shown} came after its synthesis_ended")
        if payload.segment_index < newest.get(run_id, 0):
            problems.append(f"{shown} came after segment {newest[run_id]}")
        newest[run_id] = max(newest.get(run_id, 0), payload.segment_index)
        if isinstance(payload, Audio):
            if payload.offset_samples != sent.get(name, 0):
                problems.append(f"{shown}: sound from {payload.offset_samples} where {sent.get(name, 0)} was due")
            sent[name] = payload.offset_samples + len(payload.pcm) // SAMPLE_BYTES
        else:
            ended.add(name)
            if payload.total_samples != sent.get(name, 0):
                problems.append(f"{shown}: {payload.total_samples} samples are told, {sent.get(name, 0)} came")
    return Outcome(problems=tuple(problems), seen=len(ended), things="segments")


def word_ends(log: StreamLog) -> Outcome:
    """See WORD_ENDS."""
    words = {(at.run_id, ask.segment_index): len(ask.text.split()) for ask, at in log.sent_of(Synthesize)}
    problems, count = [], 0
    for ended, seen in log.all(SynthesisEnded):
        ends = ended.word_end_offset_samples
        if not ends:
            continue
        count += 1
        shown = f"segment {ended.segment_index} of run {seen.event.run_id}"
        expected = words.get((seen.event.run_id, ended.segment_index))
        if len(ends) != expected:
            problems.append(f"{shown}: {len(ends)} ends of {expected} words")
        if ends[-1] > ended.total_samples:
            problems.append(f"{shown}: a word ends at {ends[-1]} of {ended.total_samples} samples")
    return Outcome(problems=tuple(problems), seen=count, things="segments")


def stopped_last(log: StreamLog) -> Outcome:
    """See STOPPED."""
    cancels = Counter(at.run_id for _, at in log.sent_of(CancelRun))
    problems, stopped = [], Counter[int]()
    for each in log.seen:
        run_id = each.event.run_id
        if isinstance(each.event.payload, RunStopped):
            stopped[run_id] += 1
            if stopped[run_id] > cancels[run_id]:
                problems.append(f"run {run_id} was told to be stopped {stopped[run_id]} times")
        elif run_id and stopped[run_id] and not isinstance(each.event.payload, Failure):
            problems.append(f"{type(each.event.payload).__name__} of run {run_id} came after its run_stopped")
    return Outcome(problems=tuple(problems), seen=len(stopped), things="runs")


SESSION_RULES: Final[tuple[tuple[Rule, Callable[[StreamLog], Outcome]], ...]] = (
    (envelope.UNDERSTOOD, envelope.understood),
    (envelope.ONE_SESSION, envelope.one_session),
    (envelope.SEQUENCE, envelope.sequence),
    (envelope.CLOCK, envelope.clock),
    (envelope.HEARTBEATS, envelope.heartbeats),
    (READY, ready_first),
    (SPEECH, speech),
    (TRANSCRIPTS, transcripts),
    (SUPERSEDED, superseded),
    (SCORES, scores),
    (GENERATION, generation),
    (SYNTHESIS, synthesis),
    (WORD_ENDS, word_ends),
    (STOPPED, stopped_last),
)
"""Each rule of a session with the function that looks for what breaks it."""
