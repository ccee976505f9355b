"""The only place of the inference node that reads a clock."""

import time


def monotonic_s() -> float:
    """Seconds from an origin of this process's own."""
    return time.monotonic()


def monotonic_us() -> int:
    """Microseconds from the same origin."""
    return time.monotonic_ns() // 1000
