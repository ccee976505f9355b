"""A real HTTP server of files on this machine that knows ranges and can be told to misbehave."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_RANGE: Final = re.compile(r"bytes=(\d+)-$")


class RangeServer:
    """Files by path, and what the server is to do with the next requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.ranges: list[str] = []
        """The Range header of every request, in order; empty where there was none."""
        self.knows_ranges = True
        self.break_off_after: list[int] = []
        """For each of the next requests how many bytes of the body are sent before the connection ends."""
        self.port = 0

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.removeprefix("/")
        if path in self.moved:
            request.send_response(307)
            request.send_header("Location", f"/{self.moved[path]}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        content = self.files.get(path)
        if content is None:
            request.send_error(404)
            return
        begin = 0
        match = _RANGE.match(asked)
        if match is not None and self.knows_ranges:
            begin = int(match[1])
            if begin >= len(content):
                request.send_error(416)
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(content) - begin))
        request.end_headers()
        end = begin + self.break_off_after.pop(0) if self.break_off_after else len(content)
        request.wfile.write(content[begin:end])
        request.close_connection = True


@contextmanager
def range_server() -> Iterator[RangeServer]:
    """A server on a free port for the length of the block."""
    served = RangeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="range-server")
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
