"""The page of a call in a real browser: nothing asked of a network, nothing complained of, everything shown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.chromium import ChromiumPage, chromium_page, find_chromium
from support.session_journal import long_call, write_journal
from support.session_script import Script, policy
from support.wav_files import tone, write_wav

from voice_orchestrator.timeline.call_files import find_call
from voice_orchestrator.timeline.make import make_page

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "docs" / "demo"
CHROMIUM = find_chromium()
EVIL = "</script><img src=http://203.0.113.9/x onerror=window.attacked=1><script>window.attacked=2</script>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian has it in the package chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromiumPage]:
    assert CHROMIUM is not None
    with chromium_page(CHROMIUM, tmp_path_factory.mktemp("browser")) as page:
        yield page


def open_page(browser: ChromiumPage, folder: Path, call: Path, fragment: str = "") -> None:
    path = folder / "timeline.html"
    path.write_bytes(make_page(find_call(call), to_hear=True).content)
    browser.events.clear()
    browser.open(path, fragment)
    browser.next_frame()


def check_quiet(browser: ChromiumPage) -> None:
    """The page is made, nothing was thrown or logged, and nothing but the file itself was asked for."""
    assert browser.evaluate("document.documentElement.dataset.ready") == "yes"
    assert browser.complaints() == []
    asked = {url.rpartition("/")[2] for url in browser.requested()} - {"about:blank", "data:"}
    assert asked == {"timeline.html"}
    assert all(url.startswith(("file:///", "data:", "about:blank")) for url in browser.requested())


def count(browser: ChromiumPage, selector: str) -> int:
    return int(browser.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length"))


def text(browser: ChromiumPage, selector: str) -> str:
    return str(browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent"))


def told(journal: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "event" in line]


def edge_messages(journal: Path, kind: str) -> list[dict[str, Any]]:
    commands = [command for entry in told(journal) for command in entry["commands"]]
    return [command for command in commands if command.get("message", {}).get("is") == kind]


def check_counts(browser: ChromiumPage, journal: Path) -> None:
    """Runs, decisions, failures and events on the page are those of the journal."""
    runs = {command["run_id"] for entry in told(journal) for command in entry["commands"] if command.get("run_id")}
    shown = browser.evaluate(
        "[...document.querySelectorAll('#panels [data-run]')].map((each) => Number(each.dataset.run))"
    )
    assert sorted(shown) == sorted(runs)
    decided = [each for each in edge_messages(journal, "BargeIn") if each["message"]["outcome"] != "paused"]
    assert count(browser, "#panels [data-bargein]") == len(decided)
    failures = len(edge_messages(journal, "Failure"))
    assert count(browser, "#panels [data-failure]") == failures
    assert text(browser, "#shown").endswith(f" of {len(told(journal))}")


def drawn(browser: ChromiumPage, lane: str, half: int) -> int:
    """Pixels that are not blank in the first or second half of a lane."""
    return int(
        browser.evaluate(
            "(() => { const canvas = document.querySelector('#lanes canvas'), ratio = devicePixelRatio;"
            "const label = [...document.querySelectorAll('.label')]"
            f".find((each) => each.textContent.startsWith('{lane}'));"
            "const top = label.offsetTop - label.parentElement.offsetTop, half = Math.floor(canvas.width / 2);"
            f"const data = canvas.getContext('2d').getImageData({half} * half, top * ratio, half, 60 * ratio).data;"
            "let count = 0; for (let at = 3; at < data.length; at += 4) count += data[at] > 0; return count; })()"
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_demo_shows_its_call(browser: ChromiumPage, tmp_path: Path, scheme: str) -> None:
    browser.scheme(scheme)
    open_page(browser, tmp_path, DEMO)
    check_quiet(browser)
    check_counts(browser, DEMO / "journal.jsonl")
    report = json.loads((DEMO / "report.json").read_bytes())
    assert count(browser, "#panels [data-turn]") == len(report["turns"])
    waterfalls = browser.evaluate(
        "[...document.querySelectorAll('.talk .waterfall')].map((table) =>"
        "[...table.querySelectorAll('.ms')].map((cell) => parseInt(cell.textContent)))"
    )
    assert waterfalls == [list(turn["stages_ms"].values()) for turn in report["turns"]]
    assert all(drawn(browser, side, half) > 3_000 for side in ("caller", "agent") for half in (0, 1))
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(18, 22, 28)"}[scheme]


def test_the_sound_plays_from_where_it_is_asked_to(browser: ChromiumPage, tmp_path: Path) -> None:
    open_page(browser, tmp_path, DEMO)
    sound = "document.getElementById('sound')"
    assert browser.evaluate(
        f"new Promise((done) => {{ const sound = {sound};"
        "if (sound.readyState > 0) done(sound.duration);"
        "sound.onloadedmetadata = () => done(sound.duration); })"
    ) == pytest.approx(soundfile.info(DEMO / "recording.flac").duration, abs=0.05)
    browser.evaluate("document.querySelector('[data-turn=\"2\"] .link').click()")
    at_s = browser.evaluate(f"{sound}.currentTime")
    assert clock_s(browser) == pytest.approx(at_s, abs=0.002)
    assert at_s > 15
    browser.press(" ", "Space", " ")
    moved = f"new Promise((done) => {{ {sound}.ontimeupdate = () => {sound}.currentTime > {at_s} && done(true); }})"
    assert browser.evaluate(moved)
    assert text(browser, "#play") == "Pause"
    browser.press(" ", "Space", " ")
    assert browser.evaluate(f"{sound}.paused")
    check_quiet(browser)


def clock_s(browser: ChromiumPage) -> float:
    minutes, _, seconds = text(browser, "#clock").partition(" ")[0].partition(":")
    return int(minutes) * 60 + float(seconds)


def test_clicking_keys_and_links_choose_the_same_things(browser: ChromiumPage, tmp_path: Path) -> None:
    open_page(browser, tmp_path, DEMO, "#run-3")
    assert text(browser, "#details h3").startswith("Run 3: reply, heard")
    assert (
        browser.evaluate("document.querySelector('.chosen [data-run], .chosen').closest('.card').dataset.turn") == "2"
    )
    before_s = clock_s(browser)

    browser.press("n", "KeyN", "n")
    assert text(browser, "#details h3").startswith("Turn ")
    browser.press("ArrowRight", "ArrowRight")
    browser.press("ArrowLeft", "ArrowLeft")
    after_s = clock_s(browser)
    assert after_s != before_s

    # On the picture, where the first run is: the lane of the runs, a second after the beginning.
    place = browser.evaluate(
        "(() => { const box = document.getElementById('lanes').getBoundingClientRect();"
        "const label = [...document.querySelectorAll('.label')].find((each) => each.textContent === 'runs')"
        ".getBoundingClientRect();"
        "document.getElementById('fit').click();"
        "return [box.left + box.width / 44, label.top + 8]; })()"
    )
    browser.next_frame()
    browser.click(*place)
    assert text(browser, "#details h3").startswith("Run 1: greeting, heard")
    assert browser.evaluate("location.hash") == "#run-1"

    browser.evaluate("document.querySelector('#rows [data-event]').click()")
    assert text(browser, "#details h3").startswith("Event ")
    check_quiet(browser)


def test_events_are_narrowed_by_words_and_kind(browser: ChromiumPage, tmp_path: Path) -> None:
    open_page(browser, tmp_path, DEMO)
    journal = told(DEMO / "journal.jsonl")
    pieces = sum(entry["event"]["is"] == "ReplyText" for entry in journal)
    assert text(browser, "#shown") == f"{len(journal) - pieces} of {len(journal)}"
    browser.evaluate("document.querySelectorAll('#families input').forEach((box) => box.checked || box.click())")
    assert text(browser, "#shown") == f"{len(journal)} of {len(journal)}"
    search = (
        "(() => {{ const box = document.getElementById('search'); box.value = {};"
        "box.dispatchEvent(new Event('input')); }})()"
    )
    browser.evaluate(search.format(json.dumps("SegmentStarted run 1")))
    started = [
        entry["event"]
        for entry in journal
        if entry["event"]["is"] == "SegmentStarted" and entry["event"]["run_id"] == 1
    ]
    assert text(browser, "#shown") == f"{len(started)} of {len(journal)}"
    assert count(browser, "#rows .row") == len(started)
    browser.evaluate(search.format('"no such words anywhere"'))
    assert count(browser, "#rows .row") == 0
    check_quiet(browser)


def test_a_call_with_everything_in_it_and_no_sound(browser: ChromiumPage, tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.jsonl", long_call())
    open_page(browser, tmp_path, tmp_path)
    check_quiet(browser)
    check_counts(browser, tmp_path / "journal.jsonl")
    assert text(browser, "#note") == "There is no recording of this call in its folder."
    assert browser.evaluate("document.getElementById('play').disabled")
    for kind, heading in (("bargein", "Caller speech over run"), ("failure", "tts: engine error")):
        browser.evaluate(f"document.querySelector('#panels [data-{kind}] .link').click()")
        assert text(browser, "#details h3").startswith(heading)
    assert browser.evaluate("document.querySelector('#tab-2').getAttribute('aria-selected')") == "true"
    check_quiet(browser)


def test_what_a_caller_says_cannot_become_part_of_the_page(browser: ChromiumPage, tmp_path: Path) -> None:
    script = Script(policy(greeting="Good morning.")).open()
    script.after(100).say(EVIL).respond(EVIL)
    script.after(500).finish()
    write_journal(tmp_path / "journal.jsonl", script)
    open_page(browser, tmp_path, tmp_path, "#turn-1")
    browser.evaluate("document.querySelectorAll('#families input').forEach((box) => box.checked || box.click())")
    check_quiet(browser)
    assert browser.evaluate("window.attacked") is None
    assert text(browser, ".card .caller") == EVIL
    assert EVIL in text(browser, "#rows")
    assert EVIL in text(browser, "#details")


def test_even_a_script_that_got_in_could_do_nothing(browser: ChromiumPage, tmp_path: Path) -> None:
    """The second wall: without the first, the policy still lets run only the page's own script."""
    write_journal(tmp_path / "journal.jsonl")
    page = make_page(find_call(tmp_path), to_hear=True).content
    evil = b"<script>window.attacked = 1</script><img src=data:,x onerror=window.attacked=2>"
    (tmp_path / "timeline.html").write_bytes(page.replace(b"<main>", evil + b"<main>"))
    browser.open(tmp_path / "timeline.html")
    assert browser.evaluate("document.documentElement.dataset.ready") == "yes"
    assert browser.evaluate("window.attacked") is None
    refused = browser.evaluate(
        "new Promise((done) => { addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective));"
        "fetch('https://203.0.113.9/').catch(() => 0); })"
    )
    assert refused == "connect-src"


def test_each_side_is_drawn_where_it_sounds(browser: ChromiumPage, tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.jsonl", Script(policy()).open())
    silence = np.zeros(16_000 * 4)
    caller, agent = np.concatenate([tone(440, seconds=4.0), silence]), np.concatenate([silence, tone(880, seconds=4.0)])
    write_wav(tmp_path / "recording.wav", np.stack([caller, agent], axis=1))
    open_page(browser, tmp_path, tmp_path)
    check_quiet(browser)
    assert "No report says where the recording begins" in text(browser, "#note")
    for name, loud, quiet in (("caller", 0, 1), ("agent", 1, 0)):
        halves = [drawn(browser, name, half) for half in (0, 1)]
        assert halves[loud] > 10 * halves[quiet]
