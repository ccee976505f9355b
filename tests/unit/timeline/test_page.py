"""The page as a file: one that holds everything, asks for nothing, and takes what was said for text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.session_journal import write_journal
from support.session_script import Script, policy

from voice_orchestrator.timeline.call_files import find_call
from voice_orchestrator.timeline.make import make_page
from voice_orchestrator.timeline.page import write_page

EVIL = "</script><script>alert(1)</script><!--<script>&lt;\x00</audio>"


class Outline(HTMLParser):
    """Tags with their attributes, and the text inside each script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self._open: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append((tag, ""))
            self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            tag, text = self.inside.pop()
            self.inside.append((tag, text + data))


def page_of(folder: Path, script: Script | None = None) -> str:
    write_journal(folder / "journal.jsonl", script)
    return make_page(find_call(folder), to_hear=True).content.decode()


def data_of(page: str) -> Any:
    (text,) = [text for tag, text in Outline(page).inside if tag == "script" and text.startswith("{")]
    return json.loads(text)


def attacked(text: str) -> Script:
    script = Script(policy(system_text=text, greeting="Hello.")).open()
    script.synthesise(0)
    script.start(0)
    script.after(900).finish()
    script.after(100).say(text).respond(text)
    return script


def test_what_was_said_stays_text(tmp_path: Path) -> None:
    harmless, page = page_of(tmp_path), page_of(tmp_path, attacked(EVIL))
    assert [tag for tag, _ in Outline(page).tags] == [tag for tag, _ in Outline(harmless).tags]
    assert data_of(page)["turns"][0]["words"] == EVIL
    assert any(row[3] == f"“{EVIL}”" for row in data_of(page)["events"]["rows"])
    assert "alert(1)</script>" not in page


def test_separators_of_lines_and_half_characters_do_not_break_the_page(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.jsonl", attacked("one\u2028two\u2029three"))
    text = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").replace("one", "\\ud800")
    (tmp_path / "journal.jsonl").write_text(text, encoding="utf-8")
    page = make_page(find_call(tmp_path), to_hear=True).content.decode()
    assert not {"\u2028", "\u2029"} & set(page)
    assert any("two" in row[3] for row in data_of(page)["events"]["rows"])


def test_names_in_the_title_stay_text(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.jsonl")
    head, *rest = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    named = {**json.loads(head), "profile": EVIL, "session_id": '"><img src=x onerror=alert(1)>'}
    (tmp_path / "journal.jsonl").write_text("\n".join([json.dumps(named), *rest]) + "\n", encoding="utf-8")
    page = make_page(find_call(tmp_path), to_hear=True).content.decode()
    assert [tag for tag, _ in Outline(page).tags] == [tag for tag, _ in Outline(page_of(tmp_path)).tags]
    assert "<img" not in page


def test_the_policy_names_the_one_script_and_the_one_style(tmp_path: Path) -> None:
    outline = Outline(page_of(tmp_path))
    (policy_text,) = [
        attributes["content"]
        for tag, attributes in outline.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy_text is not None
    told = {name: rest for name, _, rest in (part.partition(" ") for part in policy_text.split("; "))}
    (style,) = [text for tag, text in outline.inside if tag == "style"]
    (script,) = [text for tag, text in outline.inside if tag == "script" and not text.startswith("{")]
    assert told == {
        "default-src": "'none'",
        "script-src": digest(script),
        "style-src": digest(style),
        "img-src": "data:",
        "media-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_nothing_outside_is_named(tmp_path: Path) -> None:
    outline = Outline(page_of(tmp_path))
    for _, attributes in outline.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")  # type: ignore[union-attr]
    for tag, text in outline.inside:
        assert not re.search(r"https?://|@import|url\(|innerHTML|insertAdjacent|document\.write|eval\(", text), tag


def test_the_page_says_what_it_lacks(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.jsonl", closes=False)
    page = make_page(find_call(tmp_path), to_hear=True)
    assert page.note == (
        "There is no recording of this call in its folder. "
        "The journal was not closed: the call may have gone on after its last event."
    )
    assert data_of(page.content.decode())["sound"]["note"] == page.note
    assert "<audio" not in page.content.decode()


def test_the_page_is_its_owners_and_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"an older one, readable by all")
    write_page(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_page(tmp_path / "folder.html", b"new")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder.html", "page.html"]
