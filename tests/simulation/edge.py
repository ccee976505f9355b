"""The way of the agent's sound in a schedule: fence and edge, computed instead of played; reports late and lost."""

from simulation.caller import Caller
from simulation.playout import Playing

from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e


class Edge(Caller):
    """A stage with a caller who hears the agent."""

    def _watch(self, playing: Playing) -> None:
        """Arms the next moment at which something of this run's sound begins or ends."""
        at_ms = playing.next_mark(self.now_ms)
        playing.version += 1
        if at_ms is not None:
            self._later(at_ms - self.now_ms, self._mark, playing, playing.version)
        elif playing.closed and not playing.over and playing.released and not playing.paused:
            self._played_out(playing)

    def _mark(self, playing: Playing, version: int) -> None:
        if version != playing.version or playing.over:
            return
        playing.advance(self.now_ms)
        if playing.started < len(playing.sizes) and sum(playing.sizes[: playing.started]) <= playing.at_samples:
            index = playing.started
            playing.started += 1
            if playing.sizes[index]:
                self.checker.heard(playing.run_id)
                self.step(e.SegmentStarted(at_ms=self.now_ms, run_id=playing.run_id, segment_index=index))
                if not index and not self._speaking and self._happens(self.nature.echo):
                    self._later(60, self._echo, playing.texts[index])
        elif playing.played < playing.started:
            end = sum(playing.sizes[: playing.played + 1])
            if end <= playing.at_samples:
                index = playing.played
                playing.played += 1
                if playing.sizes[index]:
                    self.step(e.SegmentPlayed(at_ms=self.now_ms, run_id=playing.run_id, segment_index=index))
        if not playing.over:
            self._watch(playing)

    def _played_out(self, playing: Playing) -> None:
        playing.over = True
        self._report(playing, sum(playing.sizes))

    def _report(self, playing: Playing, samples: int) -> None:
        nature = self.nature
        samples = max(0, samples + samples * nature.edge_skew // 1_000)
        if self._happens(nature.edge_report_lost):
            return
        self._later(self.rng.randrange(1, 2 * nature.edge_report_late_ms), self._reported, playing, samples)
        if self._happens(nature.edge_report_repeats):
            self._later(self.rng.randrange(2_000), self._reported, playing, samples)

    def _reported(self, playing: Playing, samples: int) -> None:
        self.step(e.PlayoutReported(at_ms=self.now_ms, run_id=playing.run_id, played_samples=samples))

    def _release(self, command: c.ReleaseRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.released, playing.since_ms = True, self.now_ms
        self._watch(playing)

    def _pause(self, command: c.PauseRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.advance(self.now_ms)
        playing.paused = True
        playing.version += 1

    def _resume(self, command: c.ResumeRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.advance(self.now_ms)
        playing.paused = False
        self._watch(playing)

    def _flush(self, command: c.FlushRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.advance(self.now_ms)
        if playing.over:
            return
        playing.over = True
        self._report(playing, playing.at_samples)

    def _drop(self, command: c.DropRun) -> None:
        self._sound_of(command.run_id).over = True

    def _close(self, command: c.CloseRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.closed = True
        self._watch(playing)

    def _to_edge(self, command: c.ToEdge) -> None:
        pass
