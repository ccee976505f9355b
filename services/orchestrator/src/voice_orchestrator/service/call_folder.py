"""A call's own folder: where the commands keep one call's journal, and what else they write beside it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from voice_contract.messages import CallOpen
from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.runtime.clock import SessionClock, wall_time
from voice_orchestrator.runtime.journal import JournalFile, JournalHeader
from voice_orchestrator.runtime.ports import EdgePort, Observer, ToolPort
from voice_orchestrator.runtime.session_runtime import SessionOutcome
from voice_orchestrator.session.policy import SessionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFolder:
    """Implements CallRecords for a command whose edge keeps the sound itself. `tools` None: the agent has none."""

    session_id: str
    started_at: datetime
    folder: Path
    journal: JournalFile
    tools: ToolPort | None
    log: CallLog

    @property
    def observers(self) -> Sequence[Observer]:
        """See CallRecords."""
        return (self.log,)

    def watch(self, edge: EdgePort) -> EdgePort:
        """See CallRecords."""
        return edge

    async def close(self, outcome: SessionOutcome | None) -> None:
        """See CallRecords."""
        del outcome
        await asyncio.to_thread(self.journal.close)


class FolderKeeper:
    """Implements RecordKeeper: a new folder under `out` for each call.

    begun: the last one; error: why there is none.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self.begun: CallFolder | None = None
        self.error: OSError | None = None

    async def begin(
        self, session_id: str, profile: LoadedProfile, policy: SessionPolicy, opened: CallOpen, clock: SessionClock
    ) -> CallFolder:
        """See RecordKeeper."""
        del opened, clock
        try:
            self.begun = await asyncio.to_thread(make_call_folder, profile, policy, self._out, session_id)
        except OSError as error:
            self.error = error
            raise
        return self.begun


def make_call_folder(profile: LoadedProfile, policy: SessionPolicy, out: Path, session_id: str) -> CallFolder:
    """Makes the folder of a call and its journal; raises OSError. Blocks, so it is called off the event loop."""
    started_at = wall_time()
    folder = out / f"{started_at:%Y%m%dT%H%M%SZ}-{profile.name}-{session_id}"
    folder.mkdir(parents=True, mode=0o700)
    header = JournalHeader(
        session_id=session_id,
        profile=profile.name,
        profile_sha256=profile.sha256,
        started_at=started_at,
        policy=policy,
    )
    return CallFolder(
        session_id=session_id,
        started_at=started_at,
        folder=folder,
        journal=JournalFile(folder / "journal.jsonl", header),
        tools=tools_of(profile.profile),
        log=CallLog(),
    )


def tools_of(profile: Profile) -> ToolPort | None:
    """The agent's tools, None when it has none."""
    if not profile.tools:
        return None
    # Here and not at the top: most agents have no tools, and the libraries behind them take their time to load.
    from voice_orchestrator.runtime.http_tools import HttpTool, HttpTools

    return HttpTools(
        [
            HttpTool(
                name=tool.name,
                url=tool.url,
                parameters=tool.parameters,
                timeout_ms=tool.timeout_ms,
                headers={name: value.get_secret_value() for name, value in tool.headers.items()},
            )
            for tool in profile.tools
        ]
    )
