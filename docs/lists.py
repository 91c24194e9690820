"""Lists as forges read them. What belongs to a point of a list begins there where its text does, after two or
three blanks; the builder of the site wants four for each list. mkdocs calls this for each page.
"""

from __future__ import annotations

import re

_POINT = re.compile(r"(?:[-*+]|\d{1,9}[.)]) +(?=\S)")
_FENCE = re.compile(r"`{3,}|~{3,}")


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with four blanks for each list that a line stands in."""
    columns: list[int] = []  # where the text of each list begins that we are in
    fence = ""
    lines = []
    for line in markdown.split("\n"):
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        if text and not fence:
            while columns and indent < columns[-1]:
                columns.pop()
        if text:
            beyond = max(indent - (columns[-1] if columns else 0), 0)
            lines.append(" " * (4 * len(columns) + beyond) + text)
        else:
            lines.append("")
        if fence:
            fence = "" if text.startswith(fence) else fence
        elif opening := _FENCE.match(text):
            fence = opening[0]
        elif (point := _POINT.match(text)) and beyond < 4:
            columns.append(indent + len(point[0]))
    return "\n".join(lines)
