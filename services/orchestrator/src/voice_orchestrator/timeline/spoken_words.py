"""Where on the time axis each word of the agent was heard.

A run's words are known by samples of its own sound. The sound runs from the run's first sample, stands still while the
run is paused, and waits where a segment came late.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from voice_contract.audio import SAMPLES_PER_MS
from voice_orchestrator.session.history import WORD_END_SLACK_SAMPLES
from voice_orchestrator.session.state import Segment
from voice_orchestrator.timeline.run_story import AUDIBLE, PAUSED, RunStory
from voice_orchestrator.timeline.spans import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWord:
    """A word, or a whole segment of a voice that does not tell its words. Session milliseconds.

    heard: it was played to its end, as the conversation remembers it.
    """

    from_ms: int
    to_ms: int
    text: str
    heard: bool


def place_words(story: RunStory, first_sample_ms: int | None) -> list[SpokenWord]:
    """The words of a run that sounded; `first_sample_ms` is when its first sample was heard, None when unknown."""
    if story.run is None or not story.started_at_ms:
        return []
    at_ms = float(min(story.started_at_ms.values()) if first_sample_ms is None else first_sample_ms)
    pauses = [span for span in story.states.spans if span.state == PAUSED]
    words: list[SpokenWord] = []
    before_samples = 0
    for index, segment in enumerate(story.run.segments):
        started_ms = story.started_at_ms.get(index)
        if started_ms is None or segment.samples == 0:
            continue
        if words:
            at_ms = max(at_ms, started_ms)
        if segment.samples is None:
            words.append(_cut_segment(segment, at_ms, story))
            break
        words += _words_of(segment, at_ms, pauses, _left(story, before_samples))
        before_samples += segment.samples
        at_ms = _after(at_ms, segment.samples, pauses)
    return list(_until(_last_heard_ms(story), words))


def _last_heard_ms(story: RunStory) -> float:
    """Until when it can have been heard: the edge's own clock is some milliseconds behind a pause."""
    return max((span.to_ms for span in story.states.spans if span.state == AUDIBLE), default=float("inf"))


def _until(limit_ms: float, words: Iterable[SpokenWord]) -> Iterator[SpokenWord]:
    for word in words:
        if word.to_ms <= limit_ms:
            yield word
        elif word.from_ms < limit_ms:
            yield replace(word, to_ms=int(limit_ms))


def _left(story: RunStory, before_samples: int) -> int | None:
    """Samples that were played of the segment that begins after `before_samples`; None when nobody said so."""
    return None if story.played_samples is None else story.played_samples - before_samples


def _cut_segment(segment: Segment, at_ms: float, story: RunStory) -> SpokenWord:
    """A segment that ended before its own length was known: how long it was heard is all that can be said."""
    until_ms = story.states.spans[-1].to_ms if story.states.spans else at_ms
    return SpokenWord(from_ms=round(at_ms), to_ms=round(max(at_ms, until_ms)), text=segment.text, heard=False)


def _words_of(
    segment: Segment, at_ms: float, pauses: Sequence[Span], played_samples: int | None
) -> Iterator[SpokenWord]:
    assert segment.samples is not None, "its length is known"
    texts = segment.text.split()
    ends: Sequence[int] = segment.word_ends
    if len(ends) != len(texts):
        texts, ends = [segment.text], (segment.samples,)
    begin = 0
    for text, end in zip(texts, ends, strict=True):
        if played_samples is not None and begin >= played_samples:
            return
        yield SpokenWord(
            from_ms=round(_after(at_ms, begin, pauses)),
            to_ms=round(_after(at_ms, end if played_samples is None else min(end, played_samples), pauses)),
            text=text,
            heard=played_samples is None or end <= played_samples + WORD_END_SLACK_SAMPLES,
        )
        begin = end


def _after(at_ms: float, samples: int, pauses: Sequence[Span]) -> float:
    """When `samples` more have been played of what was heard at `at_ms`, pauses left out."""
    until_ms = at_ms + samples / SAMPLES_PER_MS
    for pause in pauses:
        if pause.to_ms > at_ms and pause.from_ms < until_ms:
            until_ms += pause.to_ms - max(pause.from_ms, at_ms)
    return until_ms
