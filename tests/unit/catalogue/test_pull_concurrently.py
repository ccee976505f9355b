"""Several processes that pull the same model at once: one good copy, whoever dies."""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from support.pulling_process import DEADLINE_S, KILLED, Signals, pull_small
from support.small_models import BYTES, SMALL, HeardReporter, files_under, small_catalogue

from voice_inference.catalogue.model import CatalogueModel, ModelFile
from voice_inference.catalogue.progress import PullReporter
from voice_inference.catalogue.pull import ModelPuller, SourceChoice
from voice_inference.catalogue.staging import install_file
from voice_inference.catalogue.store import FileState, ModelStore

WHOLE = {"small/weights.bin", "small/config.json"}
SPAWN = multiprocessing.get_context("spawn")


class Pullers:
    """Processes over one cache, ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.cache, self._folder = folder / "cache", folder
        self.signals = Signals(pulling=SPAWN.Semaphore(0), waiting=SPAWN.Semaphore(0))
        self._processes: list[SpawnProcess] = []

    def start(self, *, others: int, dies: bool = False) -> None:
        """A process that delivers once `others` wait for it."""
        journal = self._folder / f"journal-{len(self._processes)}"
        process = SPAWN.Process(target=pull_small, args=(self.cache, journal, self.signals, others, dies))
        process.start()
        self._processes.append(process)

    def exit_codes(self) -> list[int | None]:
        for process in self._processes:
            process.join(DEADLINE_S)
        return [process.exitcode for process in self._processes]

    def said(self) -> list[str]:
        """Everything the processes were told, sorted."""
        return sorted(line for path in self._folder.glob("journal-*") for line in path.read_text().splitlines())

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()
            process.close()


@pytest.fixture
def pullers(tmp_path: Path) -> Iterator[Pullers]:
    started = Pullers(tmp_path)
    yield started
    started.end()


def test_several_processes_end_with_one_copy_pulled_once(pullers: Pullers) -> None:
    for _ in range(3):
        pullers.start(others=2)
    assert pullers.exit_codes() == [0, 0, 0]
    assert files_under(pullers.cache) == WHOLE
    ModelStore(pullers.cache, small_catalogue()).verified_dir("small")
    assert pullers.said() == sorted(
        [
            "small: pulling",
            "small: ready, 0.4 MB verified",
            *["small: another process is pulling it, waiting"] * 2,
            *["small: ready"] * 2,
        ]
    )


def test_a_process_that_dies_in_the_middle_leaves_its_place_to_the_next(pullers: Pullers) -> None:
    pullers.start(others=1, dies=True)
    assert pullers.signals.pulling.acquire(timeout=DEADLINE_S)
    pullers.start(others=0)
    assert pullers.exit_codes() == [KILLED, 0]
    ModelStore(pullers.cache, small_catalogue()).verified_dir("small")
    assert "small: another process is pulling it, waiting" in pullers.said()


class WatchingSource:
    """A ModelSource during whose every step a reader looks at the cache."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self.seen: list[tuple[FileState, ...]] = []

    def carries(self, model: CatalogueModel) -> bool:
        return True

    def pull(
        self, model: CatalogueModel, missing: tuple[ModelFile, ...], folder: Path, work: Path, reporter: PullReporter
    ) -> None:
        for file in missing:
            install_file(folder, file, self._chunks(BYTES[file.name]), "a watching source")

    def _chunks(self, content: bytes) -> Iterator[bytes]:
        for at in range(0, len(content), len(content) // 3 + 1):
            yield content[at : at + len(content) // 3 + 1]
            self.seen.append(tuple(file.state for file in self._store.verify(SMALL.name).files))


def test_a_reader_sees_a_file_whole_or_not_at_all(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, small_catalogue())
    source = WatchingSource(store)
    ModelPuller(store, HeardReporter(), sources={SourceChoice.PACKAGE: source}).pull(("small",))
    missing, present = FileState.MISSING, FileState.PRESENT
    assert source.seen == [(missing, missing)] * 3 + [(present, missing)] * 3
    assert store.verify("small").state is present


def test_who_has_the_older_file_open_reads_it_to_its_end(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, small_catalogue())
    old = tmp_path / "small" / "weights.bin"
    old.parent.mkdir()
    old.write_bytes(b"an older version")
    with old.open("rb") as reader:
        ModelPuller(store, HeardReporter(), sources={SourceChoice.PACKAGE: WatchingSource(store)}).pull(("small",))
        assert reader.read() == b"an older version"
    assert old.read_bytes() == BYTES["weights.bin"]
