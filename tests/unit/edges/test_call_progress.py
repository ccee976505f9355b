"""What a scripted edge knows of the call it is in."""

from collections.abc import Callable, Coroutine

import pytest
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_MS
from voice_contract.messages import CallEnded, EndCause, Heartbeat, Payload, Phase, PhaseChanged
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.edges.call_progress import CallProgress

ENDED = CallEnded(cause=EndCause.IDLE)


class Rig:
    """Progress of a call whose loudspeaker is on while `sounding`."""

    def __init__(self) -> None:
        self.clock = virtual_clock()
        self.sounding = False
        self.progress = CallProgress(self.clock, lambda: self.sounding)
        self._sequencer = EventSequencer("test", self.clock.monotonic_us)

    def tell(self, payload: Payload) -> None:
        self.progress.accept(self._sequencer.make(payload))

    def enter(self, phase: Phase) -> None:
        self.tell(PhaseChanged(from_phase=self.progress.phase, to_phase=phase))


def with_rig(story: Callable[[Rig], Coroutine[None, None, None]]) -> None:
    """Tells a story on virtual time."""

    async def told() -> None:
        await story(Rig())

    run_virtual(told())


def test_the_phase_is_the_last_one_told() -> None:
    async def story(rig: Rig) -> None:
        seen = [rig.progress.phase]
        rig.enter(Phase.CONNECTING)
        rig.enter(Phase.ACTIVE)
        rig.tell(Heartbeat())
        seen.append(rig.progress.phase)
        assert seen == [Phase.CREATED, Phase.ACTIVE]

    with_rig(story)


def test_a_call_that_has_ended_says_how() -> None:
    async def story(rig: Rig) -> None:
        assert rig.progress.ended is None
        rig.tell(ENDED)
        assert rig.progress.ended == ENDED

    with_rig(story)


def test_calm_counts_from_the_moment_the_session_listens() -> None:
    async def story(rig: Rig) -> None:
        await elapse(3.0)
        rig.enter(Phase.ACTIVE)
        await elapse(0.75)
        assert rig.progress.calm_s() == pytest.approx(0.75)

    with_rig(story)


@pytest.mark.parametrize("phase", [Phase.CREATED, Phase.CONNECTING, Phase.PROCESSING, Phase.RESPONDING])
def test_a_session_that_does_more_than_listen_is_not_calm(phase: Phase) -> None:
    async def story(rig: Rig) -> None:
        rig.enter(Phase.ACTIVE)
        await elapse(1.0)
        rig.enter(phase)
        await elapse(1.0)
        assert rig.progress.calm_s() == 0.0

    with_rig(story)


def test_calm_counts_from_the_last_sound_that_was_heard() -> None:
    async def story(rig: Rig) -> None:
        rig.enter(Phase.ACTIVE)
        rig.sounding = True
        await elapse(2.0)
        assert rig.progress.calm_s() == 0.0
        rig.sounding = False
        await elapse(0.5)
        assert rig.progress.calm_s() == pytest.approx(0.5)

    with_rig(story)


def test_an_answer_counts_only_when_it_began_after_the_question() -> None:
    async def story(rig: Rig) -> None:
        assert not rig.progress.responded_since(0.0)
        await elapse(1.0)
        rig.enter(Phase.RESPONDING)
        assert rig.progress.responded_since(0.5)
        assert not rig.progress.responded_since(1.5)
        await elapse(1.0)
        rig.enter(Phase.ACTIVE)
        assert not rig.progress.responded_since(1.5)
        rig.enter(Phase.RESPONDING)
        assert rig.progress.responded_since(1.5)

    with_rig(story)


def test_waiting_ends_soon_after_what_is_waited_for() -> None:
    async def story(rig: Rig) -> None:
        assert await rig.progress.until(lambda: rig.clock.now_s() >= 1.0, timeout_s=5.0)
        assert 1.0 <= rig.clock.now_s() <= 1.0 + FRAME_MS / 1_000

    with_rig(story)


def test_waiting_gives_up_at_its_limit() -> None:
    async def story(rig: Rig) -> None:
        assert not await rig.progress.until(lambda: False, timeout_s=2.0)
        assert 2.0 <= rig.clock.now_s() <= 2.0 + FRAME_MS / 1_000

    with_rig(story)


def test_what_holds_already_is_not_waited_for() -> None:
    async def story(rig: Rig) -> None:
        assert await rig.progress.until(lambda: True, timeout_s=0.0)
        assert rig.clock.now_s() == 0.0

    with_rig(story)
