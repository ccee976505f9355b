"""Are native libraries told how to wait before they are loaded."""

import os
import subprocess
import sys

import pytest

from voice_inference.native_threads import SETTINGS, keep_native_threads_calm

RUN_MAIN = """
import os, sys
from voice_inference.cli import main
print("numpy" in sys.modules)
sys.argv = ["voice-inference", "--version"]
try:
    main.main()
finally:
    print(os.environ["OPENBLAS_NUM_THREADS"], os.environ["GOMP_SPINCOUNT"])
"""


def test_the_command_tells_them_before_any_is_loaded() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run([sys.executable, "-c", RUN_MAIN], capture_output=True, text=True, env=environment, check=True)
    loaded, _, told = done.stdout.splitlines()
    assert (loaded, told) == ("False", "1 3000")


def test_what_somebody_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    keep_native_threads_calm()
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["GOMP_SPINCOUNT"]) == ("7", "3000")
    monkeypatch.delenv("GOMP_SPINCOUNT")
