"""The journal of a call with everything in it, written as the runtime writes journals."""

from datetime import UTC, datetime
from pathlib import Path

from support.session_script import Script, policy

from voice_contract.failures import FailureReason, Stage
from voice_orchestrator.runtime.journal import JournalFile, JournalHeader
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import SessionPolicy, TurnTakingPolicy

STARTED_AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def header(session_policy: SessionPolicy) -> JournalHeader:
    """The header of a session with this policy."""
    return JournalHeader(
        session_id="abc123", profile="clinic", profile_sha256="0" * 64, started_at=STARTED_AT, policy=session_policy
    )


def long_call() -> Script:
    """Greeted, answered, paused and resumed, interrupted, a voice that breaks, a node that is lost, hung up."""
    script = Script(
        policy(
            greeting="Good morning.",
            turn_taking=TurnTakingPolicy(min_delay_ms=500, max_delay_ms=500, partial_interval_ms=400),
        )
    )
    script.open()
    script.sound(0)
    script.synthesise(0)
    script.start(0)
    script.after(900).finish()
    script.after(300).say("Are you open today?").respond("Yes, of course we are.")
    script.after(200).start_speaking()
    script.wait(100)
    script.stop_speaking()
    script.transcribed("")
    script.after(500).start_speaking()
    run_id = script.run_id
    script.wait(700)
    script.report(run_id, 8_000)
    script.stop_speaking()
    script.transcribed("Für Müller, “please”.")
    script.wait(500)
    script.write("I will look that up. ")
    script.fail(Stage.TTS)
    script.do(e.ReplyText, run_id=run_id, text="too late")
    script.do(e.InferenceLost, reason=FailureReason.PEER_SILENT, detail="nothing came")
    script.wait(100)
    script.do(e.InferenceReady, scores_end_of_turn=False)
    script.after(1_000).say("Goodbye then.").respond("Bye.")
    script.after(100).do(e.CallerHungUp)
    script.do(e.Tick)
    return script


def write_journal(path: Path, script: Script | None = None, *, closes: bool = True) -> Script:
    """Writes the journal of a session; without its last line when `closes` is False."""
    told = script or long_call()
    journal = JournalFile(path, header(told.state.policy))
    for event, transition in told.log:
        journal.record(event, transition)
    journal.close()
    if not closes:
        *entries, _ = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(entries))
    return told
