"""What a scripted node writes down: which session came when, and when which of its sound arrived.

Lines of `sessions.txt` are on the disk at once, for they are read of nodes that were killed; rows of `sound.bin` go
there in blocks. All times are seconds of CLOCK_MONOTONIC, which every process of a machine shares.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SESSIONS: Final = "sessions.txt"
SOUND: Final = "sound.bin"
ROW: Final = struct.Struct("<12sIQdd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A session on a node; `ended_s` None: it was there when the node was killed, or still is."""

    session_id: str
    began_s: float
    ended_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A frame of caller sound: position in its call, when the orchestrator stamped it, when it reached the node.

    stream: the node's streams are counted; a session that comes again has another one.
    """

    session_id: str
    stream: int
    offset_samples: int
    sent_s: float
    arrived_s: float


class NodeLog:
    """Writes into `folder`; `sound`: the rows too."""

    def __init__(self, folder: Path, *, sound: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._sessions = (folder / SESSIONS).open("a", buffering=1, encoding="utf-8")
        self._sound = (folder / SOUND).open("ab") if sound else None

    @property
    def keeps_sound(self) -> bool:
        """Whether `arrived` keeps anything."""
        return self._sound is not None

    def began(self, session_id: str, at_s: float) -> None:
        """A session was taken."""
        self._sessions.write(f"+ {session_id} {at_s:.6f}\n")

    def ended(self, session_id: str, at_s: float) -> None:
        """A session is over, here."""
        self._sessions.write(f"- {session_id} {at_s:.6f}\n")

    def arrived(self, session_id: str, stream: int, offset_samples: int, sent_s: float, at_s: float) -> None:
        """A frame of caller sound came."""
        if self._sound is not None:
            self._sound.write(ROW.pack(session_id.encode(), stream, offset_samples, sent_s, at_s))

    def close(self) -> None:
        """Everything is on the disk."""
        self._sessions.close()
        if self._sound is not None:
            self._sound.close()


def visits_of(folder: Path) -> list[Visit]:
    """The sessions that were taken, in order; the same one may come again."""
    visits: list[Visit] = []
    open_at: dict[str, int] = {}
    path = folder / SESSIONS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        sign, session_id, at = line.split()
        if sign == "+":
            open_at[session_id] = len(visits)
            visits.append(Visit(session_id=session_id, began_s=float(at), ended_s=None))
        elif session_id in open_at:
            index = open_at.pop(session_id)
            visits[index] = Visit(session_id=session_id, began_s=visits[index].began_s, ended_s=float(at))
    return visits


def arrivals_of(folder: Path) -> Iterator[Arrival]:
    """The frames that came, in order."""
    rows = (folder / SOUND).read_bytes()
    for session_id, stream, offset, sent_s, arrived_s in ROW.iter_unpack(rows[: len(rows) // ROW.size * ROW.size]):
        yield Arrival(
            session_id=session_id.rstrip(b"\0").decode(),
            stream=stream,
            offset_samples=offset,
            sent_s=sent_s,
            arrived_s=arrived_s,
        )
