"""Makes test_data/speech from a folder of clips with a manifest and licences: `make_test_data.py SOURCE_DIR`.

Keeps the clips named here, their manifest rows, and the licence table and notices cut to what was kept.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).resolve().parent.parent / "test_data" / "speech"
CLIPS: Final = (
    "arctic_a0024.wav",
    "cmd_nevermind.wav",
    "cmd_what_time_is_it.wav",
    "cmd_whats_the_weather_like_in_new_york.wav",
    "cv_41921376.wav",
    "jfk.wav",
    "ls_1998-15444-0007.wav",
    "ls_251-137823-0002.wav",
    "ls_3536-23268-0010.wav",
    "noise/clicks.wav",
    "noise/cough.wav",
    "order_0075d273.wav",
    "order_6363f981.wav",
    "order_ad2f916f.wav",
    "phone_caller.wav",
    "words_yes_no_go_stop.wav",
)


def licences(text: str) -> str:
    """The licence page with its table cut to CLIPS; notices and attributions stay whole."""
    kept = []
    for line in text.splitlines():
        row = re.fullmatch(r"\| (.+) \| (.+) \| (.+\.wav.*) \|", line)
        if row is None:
            kept.append(line)
            continue
        files = [name for name in row[3].split(", ") if name in CLIPS]
        if files:
            kept.append(f"| {row[1]} | {row[2]} | {', '.join(files)} |")
    return "\n".join(kept) + "\n"


def main() -> None:
    """Copies; says what is missing and changes nothing then."""
    if len(sys.argv) != 2:
        sys.exit("usage: make_test_data.py SOURCE_DIR")
    source = Path(sys.argv[1])
    missing = [name for name in (*CLIPS, "manifest.jsonl", "LICENSES.md") if not (source / name).is_file()]
    if missing:
        sys.exit(f"error: {source} lacks {', '.join(missing)}")
    rows = [line for line in (source / "manifest.jsonl").read_text().splitlines() if json.loads(line)["file"] in CLIPS]
    for name in CLIPS:
        (TARGET / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, TARGET / name)
    (TARGET / "manifest.jsonl").write_text("\n".join(rows) + "\n")
    (TARGET / "LICENSES.md").write_text(licences((source / "LICENSES.md").read_text()))
    print(f"{len(CLIPS)} clips, {len(rows)} manifest rows in {TARGET}")


if __name__ == "__main__":
    main()
