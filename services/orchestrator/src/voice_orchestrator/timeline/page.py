"""The page itself: data, style and script in one file that asks nothing of any network.

What was said in a call is not trusted. The data stands in a block that is not a script, with every `<`, `>` and `&`
escaped; the script makes elements of it by text, never by markup; and a Content-Security-Policy lets run the one
script and the one style whose digests it names, and load nothing from anywhere.
"""

import base64
import hashlib
import html
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Final

SCRIPTS: Final = (
    "base.js",
    "view.js",
    "selection.js",
    "player.js",
    "waves.js",
    "lanes.js",
    "stage.js",
    "details.js",
    "conversation.js",
    "events.js",
    "main.js",
)
"""In this order they make the page's script."""

UNSAFE_IN_HTML: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def render_page(document: Mapping[str, Any], ogg: bytes | None) -> bytes:
    """The page of `document`, with the sound `ogg`, UTF-8."""
    style, script = _part("timeline.css"), _script()
    call = document["call"]
    page = Template(_part("timeline.html")).substitute(
        policy=_policy(style, script),
        title=html.escape(f"{call['profile']} · call {call['session']}"),
        style=style,
        script=script,
        data=_inline_json(document),
        sound=_sound_element(ogg),
    )
    # A lone surrogate, which JSON can hold and UTF-8 cannot, becomes a question mark.
    return page.encode("utf-8", errors="replace")


def write_page(path: Path, page: bytes) -> None:
    """Writes the page readable by its owner only, whole or not at all; raises OSError."""
    staged = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(page)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _part(name: str) -> str:
    return (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")


def _script() -> str:
    """The scripts as one, in a scope of their own."""
    parts = "\n".join(_part(name) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "img-src data:",
            "media-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inline_json(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(UNSAFE_IN_HTML)


def _sound_element(ogg: bytes | None) -> str:
    if ogg is None:
        return ""
    return (
        f'<audio id="sound" preload="auto" src="data:audio/ogg;base64,{base64.b64encode(ogg).decode("ascii")}"></audio>'
    )
