"""Requests nobody should send, from a seed: some whole and odd, some cut, flipped, glued together."""

import random
from dataclasses import dataclass
from typing import Final

from support.operator_face import OPERATOR

AUTHORIZED: Final = b"Authorization: " + OPERATOR.authorization.encode()
METHODS: Final = (b"GET", b"GET", b"GET", b"DELETE", b"POST", b"PUT", b"PATCH", b"OPTIONS", b"TRACE", b"BREW", b"get")
PATHS: Final = (
    b"/", b"/healthz", b"/readyz", b"/metrics", b"/v1/sessions", b"/v1/sessions/one", b"/v1/sessions/two",
    b"/v1/sessions/", b"/v1/sessions/%2e%2e%2f", b"/v1/sessions/%00", b"/v1/sessions/%ff%fe", b"/v1/sessions/one/two",
    b"/v1/profiles", b"/v1/health", b"/v1/openapi.json", b"/v1/../v1/health", b"//v1/health", b"/v1/health?x=%zz&y",
    b"/v1/health#top", b"*", b"http://evil.example/v1/sessions", b"evil.example:443", b"/\xf0\x9f\x98\x80", b"/%",
)  # fmt: skip
VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"HTTQ/1.1")
HEADERS: Final = (
    b"Accept: */*", b"Accept: application/openmetrics-text; version=9.9.9; escaping=dots", b"Accept: \xff,;=",
    AUTHORIZED, b"Authorization: Bearer", b"Authorization: Basic \xe4", b"Authorization:",
    b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade\r\nUpgrade: websocket",
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999",
    b"Content-Length: 1\r\nContent-Length: 2", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Content-Encoding: br", b"Expect: 100-continue", b"Expect: a cake", b"Expect: \xf8", b"Cookie: a=b; =; \x01",
    b"X-Long: " + b"a" * 9_000, b"X-Many: 1\r\n" * 80 + b"X: 1", b"No colon", b": no name", b"Folded: a\r\n b",
    b"If-None-Match: *", b"X-Null: a\x00b", b"Origin: null",
)  # fmt: skip
HOSTS: Final = (b"Host: localhost", b"Host: 127.0.0.1:50052", b"Host: [::1]", b"Host: evil.example", b"Host:", b"")
BODIES: Final = (b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"0\r\n\r\n", b"\x00" * 3_000, b"{" * 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Pieces of bytes for one connection, one request each.

    whole: each is a request without a fault, and `heads` tells which are HEAD. waits: a piece is sent when the one
    before was answered.
    """

    pieces: tuple[bytes, ...]
    whole: bool = False
    heads: tuple[bool, ...] = ()
    waits: bool = False


def a_batch(chance: random.Random) -> Batch:
    """One to twenty requests."""
    count = chance.randint(1, 20)
    if chance.random() < 0.4:
        return _whole(chance, count)
    return Batch(pieces=tuple(_damaged(_odd(chance), chance) for _ in range(count)), waits=chance.random() < 0.7)


def _whole(chance: random.Random, count: int) -> Batch:
    """Requests without a fault, so that every one of them is answered."""
    parts, heads = [], []
    for _ in range(count):
        method = chance.choice((*METHODS[:-2], b"HEAD"))
        path = chance.choice(PATHS[:14])
        extra = chance.choice((b"", b"Accept: */*\r\n", AUTHORIZED + b"\r\n"))
        parts.append(b"%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (method, path, extra))
        heads.append(method == b"HEAD")
    return Batch(pieces=tuple(parts), whole=True, heads=tuple(heads))


def _odd(chance: random.Random) -> bytes:
    lines = [b"%s %s %s" % (chance.choice(METHODS), chance.choice(PATHS), chance.choice(VERSIONS))]
    lines.append(chance.choice(HOSTS))
    lines += chance.sample(HEADERS, chance.choice((0, 0, 1, 1, 2, 3)))
    head = b"\r\n".join(line for line in lines if line)
    return head + b"\r\n\r\n" + (chance.choice(BODIES) if chance.random() < 0.2 else b"")


def _damaged(data: bytes, chance: random.Random) -> bytes:
    """`data` with some of it cut off, changed or repeated; as it is three times out of four."""
    damaged = bytearray(data)
    kind = chance.random()
    if kind < 0.05:
        del damaged[chance.randrange(len(damaged)) :]
    elif kind < 0.2:
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    elif kind < 0.25:
        begin = chance.randrange(len(damaged))
        damaged[begin:begin] = damaged[begin : begin + chance.randrange(200)]
    return bytes(damaged)
