"""One line of the table: what was measured, its bar, and whether it was met."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LABEL: Final = 58
VALUE: Final = 16
BAR: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value` and `bar_max` are in `unit`; without a bar the row only tells. `value` None: nothing was measured."""

    what: str
    value: float | None
    unit: str
    bar_max: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar was kept; None where there is none. What could not be measured was not kept."""
        if self.bar_max is None:
            return None
        return self.value is not None and self.value <= self.bar_max


def figure(value: float | None, unit: str) -> str:
    """A number as people read it: whole milliseconds and megabytes, two decimals of everything below ten."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def markdown(rows: Sequence[Row]) -> str:
    """All rows, as RESULTS.md has them."""
    lines = ["| | measured | bar | met | |", "|---|---:|---:|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        bar = figure(row.bar_max, row.unit) if row.bar_max is not None else ""
        depth = (len(row.what) - len(row.what.lstrip())) // 2
        what = "&nbsp;&nbsp;" * depth + row.what.lstrip()
        lines.append(f"| {what} | {figure(row.value, row.unit)} | {bar} | {met} | {row.note} |")
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> str:
    """All rows, for a terminal."""
    lines = [f"{'':<{LABEL}}{'measured':>{VALUE}}{'bar':>{BAR}}   met   "]
    for row in rows:
        met = {True: "yes", False: "NO", None: ""}[row.met]
        bar = figure(row.bar_max, "") if row.bar_max is not None else ""
        lines.append(f"{row.what:<{LABEL}}{figure(row.value, row.unit):>{VALUE}}{bar:>{BAR}}   {met:<6}{row.note}")
    return "\n".join(line.rstrip() for line in lines)
