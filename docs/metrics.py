"""Writes the table of docs/watching.md: every metric, as the code has it.

Run by hand: `python docs/metrics.py`. A test says when it is time.
"""

from __future__ import annotations

from pathlib import Path

from console.watching.metrics import table

PAPER = Path(__file__).parent / "watching.md"
BEGIN, END = "<!-- written by docs/metrics.py -->", "<!-- to here -->"


def main() -> None:
    before, _, rest = PAPER.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAPER.write_text(f"{before}{BEGIN}\n{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
