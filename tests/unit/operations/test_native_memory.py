"""Threads that allocate at the same time share the arenas they are given."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, tempfile, threading
from voice_operations.native_memory import limit_arenas

print(limit_arenas(1))
kept, gate = [], threading.Barrier(8)

def allocate():
    gate.wait()
    for _ in range(2_000):
        kept.append(bytearray(4_000))

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
with tempfile.NamedTemporaryFile() as told:
    libc.fopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(open(told.name).read().count("<heap nr="))
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)
@pytest.mark.parametrize(("environment", "said"), [({}, ["True", "1"]), ({"MALLOC_ARENA_MAX": "2"}, ["False"])])
def test_all_threads_share_one_arena_unless_the_environment_says_otherwise(
    environment: dict[str, str], said: list[str]
) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True, timeout=50)
    assert ran.stdout.split()[: len(said)] == said
