"""A call with real sound, from ring to bridge.

    python tests/realcall [--keep FOLDER]

Exit code 1 if anything is not as it should be, 2 if something it needs is missing. docs/real-call.md
tells what is real in it and how to read the result.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from realcall import emergency  # noqa: E402
from realcall.missing import missing  # noqa: E402
from realcall.stage import Failed, Stage  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the recordings in this new folder")
    keep = parser.parse_args().keep
    if (lacks := missing()) is not None:
        print(f"needs {lacks}", file=sys.stderr)
        return 2
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        print(f"{keep} is there already and not an empty folder", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="realcall-") as folder:
        stage = Stage(Path(folder), print)
        try:
            stage.play(emergency.act)
        except Failed as failed:
            print(f"NOT RIGHT  {failed}")
            return 1
        checks = emergency.judged(stage)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for kept in stage.keep(keep):
                print(f"kept       {kept}")
    for check in checks:
        print(f"{'holds    ' if check.holds else 'NOT RIGHT'}  {check.what}: {check.found}")
    print(f"{stage.seconds:.0f} s from the first ring to the end")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
