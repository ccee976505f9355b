"""A headless Chromium, driven over its DevTools pipe: one page at a time, and everything the page complained of."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_S: Final = 30.0
HAND_ON: Final = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.closerange(10, 20)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from descriptor 3 and answers on 4."""

COMPLAINTS: Final = frozenset({"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"})


def find_chromium() -> str | None:
    """The browser of this machine, None when there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class ChromiumPage:
    """A page of a browser of its own. `events` are all DevTools events since it was opened."""

    def __init__(self, program: str, profile: Path, size: tuple[int, int] = (1440, 1000)) -> None:
        """Starts the browser; it can reach no network."""
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        arguments = [
            "--headless",
            "--no-sandbox",  # it has none as root or in most containers, and opens nothing but our own pages
            "--remote-debugging-pipe",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--autoplay-policy=no-user-gesture-required",
            "--mute-audio",
            f"--window-size={size[0]},{size[1]}",
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-c", HAND_ON, str(to_browser), str(from_browser), program, *arguments],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Opens the page."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")

    def end(self) -> None:
        """Ends the browser."""
        self._process.terminate()
        self._process.wait(timeout=ANSWER_S)
        os.close(self._commands)
        os.close(self._answers)

    # --- DevTools

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Has the browser do something; gives its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._commands, left) :]
        for answer in self._messages():
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
        raise RuntimeError(f"{method}: the browser is gone")

    def wait_for(self, method: str) -> dict[str, Any]:
        """The next event of this name."""
        for message in self._messages():
            if message.get("method") == method:
                return message
        raise RuntimeError(f"{method}: the browser is gone")

    def _messages(self) -> Iterator[dict[str, Any]]:
        """What the browser says, event by event; events are kept."""
        while True:
            while b"\0" not in self._buffer:
                if not select.select([self._answers], [], [], ANSWER_S)[0]:
                    raise TimeoutError("the browser says nothing")
                part = os.read(self._answers, 1 << 16)
                if not part:
                    return
                self._buffer += part
            raw, _, self._buffer = self._buffer.partition(b"\0")
            message: dict[str, Any] = json.loads(raw)
            if "method" in message:
                self.events.append(message)
            yield message

    # --- a page

    def open(self, path: Path, fragment: str = "") -> None:
        """Opens a file and waits until it has loaded."""
        for url in ("about:blank", path.resolve().as_uri() + fragment):  # a fragment alone would load nothing
            self.command("Page.navigate", url=url)
            self.wait_for("Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, awaited; raises RuntimeError when it throws."""
        answer = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "it threw"))
        return answer["result"].get("value")

    def next_frame(self) -> None:
        """Waits until the page has drawn what it was asked to."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def click(self, x: float, y: float) -> None:
        """Clicks where the page's own coordinates say."""
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.next_frame()

    def press(self, key: str, code: str, text: str = "") -> None:
        """Presses a key."""
        extra = {"text": text} if text else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, code=code, **extra)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key, code=code)
        self.next_frame()

    def complaints(self) -> list[dict[str, Any]]:
        """Everything that was thrown, or written to the console, or logged by the browser."""
        return [event["params"] for event in self.events if event["method"] in COMPLAINTS]

    def requested(self) -> list[str]:
        """Addresses that were asked for; of data inside the page only that it was."""
        urls = [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]
        return ["data:" if url.startswith("data:") else url for url in urls]

    def picture(self, path: Path) -> None:
        """Writes what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    def scheme(self, name: str) -> None:
        """Has the person prefer a light or dark page."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])


@contextmanager
def chromium_page(program: str, profile: Path) -> Iterator[ChromiumPage]:
    """A page in a browser of its own, gone afterwards."""
    page = ChromiumPage(program, profile)
    try:
        page.begin()
        yield page
    finally:
        page.end()
