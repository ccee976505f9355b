"""What every call from the command line needs before it begins: an id, a folder, a journal."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.runtime.clock import wall_time
from voice_orchestrator.runtime.journal import JournalFile, JournalHeader
from voice_orchestrator.runtime.ports import ToolPort
from voice_orchestrator.session.policy import SessionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSetup:
    """A call that is about to begin. `tools` None: the agent has none."""

    session_id: str
    started_at: datetime
    folder: Path
    policy: SessionPolicy
    journal: JournalFile
    tools: ToolPort | None


def set_up_call(profile: LoadedProfile, out: Path) -> CallSetup:
    """Makes the folder of a call and its journal; raises OSError. Blocks, so it is called off the event loop."""
    session_id = uuid.uuid4().hex[:12]
    started_at = wall_time()
    folder = out / f"{started_at:%Y%m%dT%H%M%SZ}-{profile.name}-{session_id}"
    folder.mkdir(parents=True, mode=0o700)
    policy = policy_of(profile.profile)
    header = JournalHeader(
        session_id=session_id,
        profile=profile.name,
        profile_sha256=profile.sha256,
        started_at=started_at,
        policy=policy,
    )
    return CallSetup(
        session_id=session_id,
        started_at=started_at,
        folder=folder,
        policy=policy,
        journal=JournalFile(folder / "journal.jsonl", header),
        tools=_tools(profile.profile),
    )


def _tools(profile: Profile) -> ToolPort | None:
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
