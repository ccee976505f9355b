"""HTTP answers read off a socket by hand, strictly: what is not HTTP is an error of the test."""

import asyncio
import re
from dataclasses import dataclass

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})( [^\r\n]*)?\r\n")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\r\n")


class NotHttpError(AssertionError):
    """What came back is not an HTTP answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; `closes`: the server will not answer anything else on this connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    closes: bool


async def read_answer(reader: asyncio.StreamReader, *, to_head: bool = False) -> Answer | None:
    """The next final answer; None when the connection is closed before its first byte. Raises NotHttpError."""
    while True:
        try:
            line = await reader.readline()
        except ConnectionError:
            return None
        if not line:
            return None
        found = STATUS_LINE.fullmatch(line)
        if found is None:
            raise NotHttpError(f"not a status line: {line[:100]!r}")
        status = int(found[1])
        headers = await _headers(reader)
        if status >= 200:
            break
    try:
        body = await _body(reader, status, headers, to_head=to_head)
    except asyncio.IncompleteReadError as error:
        raise NotHttpError(f"the body ends after {len(error.partial)} bytes") from error
    closes = line.startswith(b"HTTP/1.0") or headers.get("connection", "").lower() == "close"
    return Answer(status=status, headers=headers, body=body, closes=closes)


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := await reader.readline()) != b"\r\n":
        found = HEADER.fullmatch(line)
        if found is None:
            raise NotHttpError(f"not a header: {line[:100]!r}")
        name = found[1].decode().lower()
        if name in headers:
            raise NotHttpError(f"{name} twice")
        headers[name] = found[2].decode("latin-1").strip()
    return headers


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str], *, to_head: bool) -> bytes:
    if to_head or status in (204, 304):
        return b""
    if "transfer-encoding" in headers:
        raise NotHttpError("the face knows the length of everything it says")
    if not headers.get("content-length", "").isdigit():
        raise NotHttpError(f"no length: {headers}")
    return await reader.readexactly(int(headers["content-length"]))
