"""What a scripted caller does and when, and the caller who does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from voice_contract.audio import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from voice_contract.messages import CallEnded, Dtmf, HangUp, Phase, TalkPressed, TalkReleased
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.sound_line import EdgeListener, SoundLine
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgePort

OPEN_WAIT_S: Final = 15.0
RESUMED_SAMPLES: Final = SAMPLE_RATE_HZ * 3 // 10
"""An agent heard for so long after a sound of the caller's has gone on in spite of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a step begins; with nothing set, when the agent has answered and finished.

    over_agent_ms: so long after the reply that is heard at the moment began to be heard.
    after_ms: so long after the end of the step before; with `over_agent_ms`, not before both hold.
    give_up_ms: a step whose moment has not come after so long begins all the same.
    """

    over_agent_ms: int | None = None
    after_ms: int | None = None
    give_up_ms: int = 15_000

    @property
    def name(self) -> str:
        """What is waited for, in a word."""
        if self.over_agent_ms is not None:
            return "over_agent"
        return "after_answer" if self.after_ms is None else "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaySound:
    """Speaks a sound; `file` is its name as the scenario has it, `gain_db` is in the samples already."""

    file: str
    sound: CallerSound
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PressKey:
    """Presses a key of the telephone."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Presses the button to talk, or lets it go."""

    pressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing the caller does."""

    action: PlaySound | PressKey | Talk
    moment: Moment = Moment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything the caller does, in order."""

    path: Path
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """A step as it was done: the samples of the timeline it took, and whether its moment never came."""

    step: Step
    start_samples: int
    end_samples: int
    given_up: bool


@dataclass(slots=True, kw_only=True)
class _Last:
    """The end of the step before, and when it began."""

    began_s: float = 0.0
    end_samples: int = 0


@dataclass(slots=True, kw_only=True)
class ScenarioCaller:
    """One call made by a scenario. `run` once.

    greets: the profile has a greeting, which the first step takes for an answer.
    settle_s: the agent has finished when it has only been listening for this long.
    """

    end: EdgePort
    clock: SessionClock
    scenario: Scenario
    recording: StereoRecording
    profile: str
    greets: bool
    settle_s: float
    listeners: Sequence[EdgeListener] = ()
    done: list[StepDone] = field(default_factory=list)
    finished: bool = False
    _line: SoundLine = field(init=False)
    _last: _Last = field(default_factory=_Last)

    def __post_init__(self) -> None:
        self._line = SoundLine(self.end, self.clock, self.recording, self.profile, self.listeners)

    @property
    def speaker(self) -> Speaker:
        """The caller's loudspeaker."""
        return self._line.speaker

    @property
    def origin_ms(self) -> int:
        """Session time of the timeline's beginning, ms."""
        return self._line.origin_ms

    @property
    def playout(self) -> Playout:
        """What came of the agent's sound."""
        return self._line.playout

    async def run(self) -> CallEnded | None:
        """Plays the scenario; gives how the call ended, None when the session went away without saying."""
        return await self._line.run(self._act)

    async def _act(self) -> None:
        progress = self._line.progress
        await progress.until(lambda: progress.phase is Phase.ACTIVE, OPEN_WAIT_S)
        for step in self.scenario.steps:
            came = await self._moment_of(step)
            await self._do(step, given_up=not came)
        self.finished = True
        await self._wait(self._answered, Moment().give_up_ms)
        await self._line.send(HangUp())

    async def _do(self, step: Step, *, given_up: bool) -> None:
        line = self._line
        self._last.began_s = self.clock.now_s()
        start = end = line.next_samples
        match step.action:
            case PlaySound(sound=sound):
                start = line.begin(sound.samples)
                end = start + len(sound.samples)
            case PressKey(key=key):
                await line.send(Dtmf(key=key))
            case Talk(pressed=pressed):
                await line.send(TalkPressed(offset_samples=start) if pressed else TalkReleased(offset_samples=start))
        self._last.end_samples = end
        self.done.append(StepDone(step=step, start_samples=start, end_samples=end, given_up=given_up))
        await line.progress.until(lambda: not line.speaking, (end - start) / SAMPLE_RATE_HZ + 5.0)

    # --- when

    async def _moment_of(self, step: Step) -> bool:
        """Waits for the moment of a step; False when it was given up."""
        moment = step.moment
        if moment.name == "after_answer":
            if not self.done and not self.greets:
                return True
            return await self._wait(self._answered, moment.give_up_ms)
        if moment.name == "after":
            return await self._wait(lambda: self._since_last_ms() >= (moment.after_ms or 0), moment.give_up_ms)

        def over_agent() -> bool:
            heard = self._line.speaker.heard_for(self._now())
            late_enough = self._since_last_ms() >= (moment.after_ms or 0)
            return heard is not None and heard >= (moment.over_agent_ms or 0) * SAMPLES_PER_MS and late_enough

        await self._wait(lambda: over_agent() or self._answered(), moment.give_up_ms)
        return over_agent()

    async def _wait(self, holds: Callable[[], bool], give_up_ms: int) -> bool:
        progress = self._line.progress
        while not await progress.until(holds, give_up_ms / 1_000):
            # Still talking or thinking: not given up yet, and every stage has a deadline of its own.
            if progress.calm_s() > 0.0:
                return False
        return True

    def _answered(self) -> bool:
        """Whether the agent answered the last step, or went on in spite of it, and has finished."""
        progress = self._line.progress
        since_s = self._since_last_ms() / 1_000
        if min(progress.calm_s(), since_s if self.done else progress.calm_s()) < self.settle_s:
            return False
        return progress.responded_since(self._last.began_s) or self._went_on()

    def _went_on(self) -> bool:
        runs = self._line.speaker.runs
        return bool(runs) and runs[max(runs)].end_samples >= self._last.end_samples + RESUMED_SAMPLES

    def _now(self) -> int:
        return self._line.playout.now_samples()

    def _since_last_ms(self) -> float:
        return (self._now() - self._last.end_samples) / SAMPLES_PER_MS


def caller_document(caller: ScenarioCaller) -> dict[str, Any]:
    """What the caller did, on the recording's timeline, in samples; of the agent only what came too late."""
    steps = []
    for index, done in enumerate(caller.done):
        entry: dict[str, Any] = {"step": index, "begin": done.step.moment.name, "given_up": done.given_up}
        match done.step.action:
            case PlaySound(file=file, gain_db=gain_db):
                entry |= {"play": file, "gain_db": gain_db}
            case PressKey(key=key):
                entry |= {"key": key}
            case Talk(pressed=pressed):
                entry |= {"press" if pressed else "release": True}
        steps.append({**entry, "start_samples": done.start_samples, "end_samples": done.end_samples})
    return {
        "caller": 1,
        "scenario": str(caller.scenario.path),
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "finished": caller.finished,
        "late_agent_samples": caller.playout.late_samples,
        "steps": steps,
    }


def playout_document(caller: ScenarioCaller) -> dict[str, Any]:
    """What the caller's loudspeaker played of which run, on the recording's timeline, in samples."""
    playout = caller.playout
    return {
        "playout": 1,
        "late_samples": playout.late_samples,
        "missing_samples": playout.missing_samples,
        "repeated_samples": playout.repeated_samples,
        "runs": [
            {"run": run_id, "played_samples": run.played_samples, "total_samples": playout.totals.get(run_id)}
            for run_id, run in caller.speaker.runs.items()
        ],
        "stretches": [
            {"run": each.run_id, "start_samples": each.start_samples, "end_samples": each.end_samples}
            for each in caller.speaker.stretches
        ],
    }
