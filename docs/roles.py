"""Writes the table of docs/roles.md: every right, who has it, and the pages it opens, as the code has them.

Run by hand: `python docs/roles.py`. A test says when it is time.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from flask import Flask

from console.access.roles import RIGHTS, May, Role
from console.app import create_app
from console.commands.phone import shipped
from console.house import House
from console.web.area import right_of
from console.web.words import texts
from storage.engine import open_database

PAPER = Path(__file__).parent / "roles.md"
BEGIN, END = "<!-- written by docs/roles.py -->", "<!-- to here -->"


def table(app: Flask) -> str:
    """As Markdown: a line a right."""
    said = texts("en")
    names = [said[f"roles.role-{role}"] for role in Role]
    lines = [
        f"| right | what it is | {' | '.join(names)} | pages |",
        f"|---|---|{'---|' * len(names)}---|",
    ]
    opened = pages(app)
    for may in May:
        has = ["yes" if may in RIGHTS[role] else "" for role in Role]
        paths = ", ".join(f"`{path}`" for path in opened.get(may, ()))
        lines.append(f"| `{may}` | {said[f'roles.may-{may}']} | {' | '.join(has)} | {paths} |")
    everybody = ", ".join(f"`{path}`" for path in opened.get(None, ()))
    lines.append(
        f"| none | Open to whoever has not logged in | {' | '.join(['yes'] * len(names))} | {everybody} |"
    )
    return "\n".join(lines) + "\n"


def pages(app: Flask) -> dict[May | None, list[str]]:
    """The addresses that each right opens; `*` after those that are sent to, and change something."""
    found: dict[May | None, set[str]] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint in ("static", "healthz", "metrics"):
            continue
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", lambda place: place[1].replace("_", "-").upper(), rule.rule)
        sent = "*" if "POST" in (rule.methods or ()) else ""
        found.setdefault(right_of(rule.endpoint), set()).add(path + sent)
    return {right: sorted(paths) for right, paths in found.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database("sqlite:///none.db", folder=Path(folder))
        app = create_app(House(shipped(), database))
        database.close()
    text = PAPER.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAPER.write_text(f"{before}{BEGIN}\n{table(app)}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
