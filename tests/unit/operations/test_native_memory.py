"""Threads that allocate at the same time share the arenas they are given."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="an allocator of glibc"
)

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


@pytest.mark.parametrize(("environment", "said"), [({}, ["True", "1"]), ({"MALLOC_ARENA_MAX": "2"}, ["False"])])
def test_all_threads_share_one_arena_unless_the_environment_says_otherwise(
    environment: dict[str, str], said: list[str]
) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True, timeout=50)
    assert ran.stdout.split()[: len(said)] == said


def test_what_was_freed_goes_back() -> None:
    program = """
import ctypes
from voice_operations.native_memory import give_back_memory

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(65_536) for _ in range(2_000)]
for block in blocks:
    ctypes.memset(block, 1, 65_536)
for block in blocks[:-1]:  # the last one keeps the heap from shrinking by itself
    libc.free(block)
before = resident()
give_back_memory()
print(before - resident() > 50_000)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
    assert ran.stdout.split() == ["True"]
