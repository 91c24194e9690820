"""Every measurement, one after the other, each in a process of its own; a table of all at the end.

    bench/run.py [--quick] [NAME …]

NAME is a file of this folder without its ending; without one all are run. `results.json` then holds the
figures of this run and no others, and `curves.json` how cost grows with work. `--quick` measures the same
with less of everything. Ends with 1 if a measurement failed; a goal that is missed is no failure, but told.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT), str(ROOT / "tests")]
import results  # noqa: E402 - the path comes first
from results import Result  # noqa: E402

# In the order of the table. Each has `measure(quick) -> list[Result]`, and tells in ROWS what it will name.
MODULES = (
    "call",
    "pin_checks",
    "rota_lookups",
    "explanations",
    "due_work",
    "idle_worker",
    "journal",
    "overrides",
    "flood",
    "letters",
    "console_pages",
)


def there() -> list[str]:
    return [name for name in MODULES if (HERE / f"{name}.py").exists()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*there(), []])
    asked = parser.parse_args()
    if asked.into is not None:
        _measure(asked.names[0], asked.quick, asked.into)
        return 0
    began = time.monotonic()
    names = asked.names or there()
    found: list[Result] = []
    failed: list[str] = []
    curves: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as folder:
        for name in names:
            print(f"{name} …", flush=True)
            file = Path(folder) / f"{name}.json"
            command = [sys.executable, __file__, "--into", str(file), *(["--quick"] if asked.quick else [])]
            started = time.monotonic()
            if subprocess.run([*command, name], check=False).returncode != 0:
                failed.append(name)
                continue
            told = json.loads(file.read_text(encoding="utf-8"))
            found += [Result(**each) for each in told["results"]]
            curves += told["curves"]
            print(f"        {time.monotonic() - started:.0f} s", flush=True)
    keep = results.put if asked.names or failed else results.write
    keep(results.FILE, [each.document() for each in found])
    keep(results.CURVES_FILE, curves)
    print(f"\n{table(found)}\n{(time.monotonic() - began) / 60:.1f} minutes; {results.FILE}")
    for name in failed:
        print(f"{name} failed: see above")
    return 1 if failed else 0


def table(found: list[Result]) -> str:
    """The results as people read them."""
    lines = [("", "ratio", "goal", "what", "against")]
    lines += [
        ("met" if each.met else "NOT MET", f"{each.ratio:.4g}", f"{each.goal:.4g}", each.name, each.against)
        for each in found
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join((*(line[column].ljust(widths[column]) for column in range(4)), line[4])).rstrip()
        for line in lines
    )


def _measure(name: str, quick: bool, into: Path) -> None:
    """In the process of one measurement."""
    logging.disable(logging.CRITICAL)  # refused PINs are logged as warnings, thousands of them
    found = importlib.import_module(name).measure(quick)
    for each in found:
        print(f"        {each}", flush=True)
    told = {"results": [asdict(each) for each in found], "curves": [asdict(each) for each in results.drawn]}
    into.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
