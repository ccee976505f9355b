"""`make demo`: starts an inference node, calls it with human speech, prints the call, and leaves no process behind."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
SPEECH: Final = ROOT / "test_data" / "speech"
FILES: Final = ("cmd_whats_the_weather_like_in_new_york.wav", "order_0075d273.wav", "cmd_what_time_is_it.wav")
PROFILE: Final = "dental_receptionist"
START_S: Final = 120.0
STOP_S: Final = 5.0
PLAYERS: Final = (["paplay"], ["aplay", "-q"], ["ffplay", "-autoexit", "-nodisp", "-loglevel", "error"])


def command(name: str) -> str:
    """A console script of the environment this runs in."""
    return str(Path(sys.executable).with_name(name))


def start_node(folder: Path, log: Path) -> tuple["subprocess.Popen[bytes]", dict[str, Any]]:
    """A node on free ports, once it serves; exits with its output when it does not come up."""
    ready = folder / "ready.json"
    with log.open("wb") as output:
        node = subprocess.Popen(
            [
                command("voice-inference"),
                "serve",
                "--grpc=127.0.0.1:0",
                "--http=127.0.0.1:0",
                f"--ready-file={ready}",
                "--exit-with-parent",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
    began_s = time.monotonic()
    said = 0
    try:
        while not ready.exists():
            said = tell(log, said)
            if node.poll() is not None or time.monotonic() - began_s > START_S:
                tell(log, said)
                sys.exit("error: the inference node did not come up; its output is above")
            time.sleep(0.05)
        tell(log, said)
    except BaseException:
        stop(node)
        raise
    return node, json.loads(ready.read_text())


def tell(log: Path, said: int) -> int:
    """Prints the lines of `log` after the first `said`; gives how many there are."""
    lines = log.read_text(errors="replace").splitlines()
    for line in lines[said:]:
        print(f"  {line}", flush=True)
    return len(lines)


def stop(process: "subprocess.Popen[bytes]", number: signal.Signals = signal.SIGTERM) -> None:
    """Ends a process, by force if it does not take the hint."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=STOP_S)


def run_call(words: list[str]) -> int:
    """Exit code of the call. It has a session of its own: on Ctrl-C it gets one signal, and time for its reports."""
    process = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
    try:
        return process.wait()
    finally:
        stop(process, signal.SIGINT)


def play(recording: str) -> None:
    """Plays the recording with whatever this machine has for it."""
    player = next((words for words in PLAYERS if shutil.which(words[0])), None)
    if player is None:
        print("no paplay, aplay or ffplay to play it with")
    else:
        subprocess.run([*player, recording], check=False)


def newest_call(out: Path) -> Path:
    """The folder of the call that was made last."""
    return max((folder for folder in out.iterdir() if folder.is_dir()), key=lambda folder: folder.stat().st_mtime)


def main() -> int:
    """Exit code of the call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--play", action="store_true", help="play the recording at the end")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "calls", help="where calls are kept")
    parser.add_argument("--profile", default=PROFILE, help="agent profile")
    parser.add_argument("files", nargs="*", default=[str(SPEECH / name) for name in FILES], help="what the caller says")
    options = parser.parse_args()
    # SIGTERM unwinds like Ctrl-C, so that the node is stopped either way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="voice-agent-demo-") as name:
        print("starting the inference node", flush=True)
        node: subprocess.Popen[bytes] | None = None
        try:
            node, addresses = start_node(Path(name), Path(name) / "node.log")
            print(f"calling {options.profile} with {len(options.files)} recordings of human speech", flush=True)
            call = [command("voice-orchestrator"), "call", *options.files, f"--profile={options.profile}"]
            code = run_call([*call, f"--inference={addresses['grpc']}", f"--out={options.out}"])
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        finally:
            if node is not None:
                stop(node)
    if code in (0, 3):
        folder = newest_call(options.out)
        print("caller on the left, agent on the right; transcript.json, report.json and journal.jsonl lie beside it")
        print(f"the same call decided again: {command('voice-orchestrator')} replay {folder / 'journal.jsonl'}")
        if options.play:
            play(str(folder / "recording.wav"))
    return code


if __name__ == "__main__":
    sys.exit(main())
