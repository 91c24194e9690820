"""Writes docs/api.json, the OpenAPI document of the interface, and the table of docs/api.md, from the code.

Run by hand: `python docs/api.py`. A test says when it is time.
"""

from __future__ import annotations

import json
from pathlib import Path

from console.api.document import document
from console.api.operations import AREAS, all_operations

HERE = Path(__file__).parent
BEGIN, END = "<!-- written by docs/api.py -->", "<!-- to here -->"


def rendered() -> str:
    """The document as it stands in docs/api.json."""
    return json.dumps(document(all_operations()), ensure_ascii=False, indent=1) + "\n"


def table() -> str:
    """Every operation with the scope it needs, as Markdown."""
    lines = ["| operation | what it does | scope |", "|---|---|---|"]
    for area in AREAS:
        for operation in area.operations:
            named = f"`{operation.method} {operation.path}`"
            lines.append(f"| {named} | {operation.summary} | `{operation.scope}` |")
    return "\n".join(lines) + "\n"


def main() -> None:
    (HERE / "api.json").write_text(rendered(), encoding="utf-8")
    paper = HERE / "api.md"
    before, _, rest = paper.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    paper.write_text(f"{before}{BEGIN}\n{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
