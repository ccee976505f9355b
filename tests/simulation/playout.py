"""The agent's sound on its way to the caller's ear, computed instead of played: where each run's sound stands.

Sound that waits leaves in order at 16 samples a millisecond while the run is released and not paused. The fence and
the edge agree here; what they do frame by frame is tested with the runtime itself, on virtual time.
"""

from dataclasses import dataclass, field

SAMPLES_PER_MS = 16


@dataclass(slots=True)
class Playing:
    """One run's sound. `sizes`: samples of its segments as they came; `at_samples`: heard by `since_ms`."""

    run_id: int
    texts: dict[int, str] = field(default_factory=dict)
    word_ends: dict[int, tuple[int, ...]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    released: bool = False
    paused: bool = False
    closed: bool = False
    over: bool = False
    at_samples: int = 0
    since_ms: int = 0
    started: int = 0
    played: int = 0
    version: int = 0

    def advance(self, now_ms: int) -> None:
        """Plays until `now_ms`."""
        if self.released and not self.paused:
            heard = self.at_samples + max(0, now_ms - self.since_ms) * SAMPLES_PER_MS
            self.at_samples = min(heard, sum(self.sizes))
        self.since_ms = max(self.since_ms, now_ms)

    def next_mark(self, now_ms: int) -> int | None:
        """When the next segment begins or ends to be heard, milliseconds; None while nothing will."""
        if self.over or not self.released or self.paused:
            return None
        if self.started < len(self.sizes):
            start = sum(self.sizes[: self.started])
            if start <= self.at_samples:
                return now_ms
        if self.played < self.started:
            end = sum(self.sizes[: self.played + 1])
            return now_ms + max(0, -(-(end - self.at_samples) // SAMPLES_PER_MS))
        return None

    def heard_words(self, samples: int) -> str:
        """The words that end within `samples`, found word by word from what the node told of each."""
        words: list[str] = []
        offset = 0
        for index, size in enumerate(self.sizes):
            spoken = self.texts[index].split()
            if not size:
                continue
            if samples - offset >= size:
                words += spoken
            elif samples > offset:
                ends = self.word_ends[index]
                if len(ends) == len(spoken):
                    words += [word for word, end in zip(spoken, ends, strict=True) if end <= samples - offset + 640]
                else:
                    words += spoken[: len(spoken) * (samples - offset) // size]
            offset += size
        return " ".join(words)

    def played_words(self) -> str:
        """The words of the segments that left completely: what is known when the edge does not report."""
        return " ".join(self.texts[index] for index in range(self.played) if self.sizes[index])
