"""A call made by a scenario on virtual time: the real runtime and caller, a scripted node, no sleep."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from support.scripted_inference import ScriptedInference
from support.virtual_call import KeepingListener
from support.virtual_time import virtual_clock

from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.edges.scenario import Moment, PlaySound, Scenario, ScenarioCaller, Step
from voice_orchestrator.runtime.accept import receive_open
from voice_orchestrator.runtime.edge_pair import edge_pair
from voice_orchestrator.runtime.journal import NoJournal
from voice_orchestrator.runtime.session_runtime import SessionOutcome, SessionRuntime
from voice_orchestrator.session.policy import SessionPolicy


def plays(sound: CallerSound, moment: Moment | None = None) -> Step:
    """A step that plays `sound`."""
    return Step(action=PlaySound(file=sound.path.name, sound=sound), moment=moment or Moment())


def scenario(*steps: Step) -> Scenario:
    """A scenario that no file holds."""
    return Scenario(path=Path("scenario.yaml"), steps=steps)


@dataclass(slots=True, kw_only=True)
class ScenarioCall:
    """A call that was made."""

    caller: ScenarioCaller
    recording: StereoRecording
    heard: KeepingListener
    outcome: SessionOutcome

    @property
    def sound_of_caller(self) -> NDArray[np.int16]:
        """The caller's side of the recording."""
        samples: NDArray[np.int16] = self.recording.samples()[:, 0]
        return samples

    @property
    def sound_of_agent(self) -> NDArray[np.int16]:
        """The agent's side of the recording."""
        samples: NDArray[np.int16] = self.recording.samples()[:, 1]
        return samples


async def make_scenario_call(
    policy: SessionPolicy, story: Scenario, node: ScriptedInference | None = None
) -> ScenarioCall:
    """Makes the call to its end."""
    clock = virtual_clock()
    recording, heard = StereoRecording(), KeepingListener()
    session_end, edge_end = edge_pair("test", clock.monotonic_us)
    runtime = SessionRuntime("test", policy, session_end, node or ScriptedInference(), clock, NoJournal(), [])
    caller = ScenarioCaller(
        end=edge_end,
        clock=clock,
        scenario=story,
        recording=recording,
        profile="test",
        greets=bool(policy.greeting),
        settle_s=policy.turn_taking.min_delay_ms / 1_000 + 0.5,
        listeners=[heard],
    )

    async def serve() -> SessionOutcome:
        return await runtime.run(await receive_open(session_end))

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve())
        group.create_task(caller.run())
    return ScenarioCall(caller=caller, recording=recording, heard=heard, outcome=serving.result())
