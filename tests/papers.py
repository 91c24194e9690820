"""What stands in the papers, read as a person would follow it: code blocks, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHELLS = ("sh", "console")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)(?P<rest>[^`]*)$")
_COMMENT = re.compile(r"^ *<!-- (?P<text>.*?) -->$")
_TITLE = re.compile(r'title="([^"]+)"')
_INLINE = re.compile(r"``? ?(ivr [^`]+?) ?``?(?!`)")
# What may stand between two commands of one line.
_BETWEEN = re.compile(r"&&|\|\||;|\||>>?|<")


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is where its first line stands, `mark` the comment just before it."""

    line: int
    language: str
    title: str
    mark: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """An `ivr` command as it is written, `ivr` left out. `whole`: it stands in a block, to be typed."""

    where: str
    words: tuple[str, ...]
    whole: bool


def papers() -> list[Path]:
    """The README and every page."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order. Raises ValueError for one that is not closed."""
    mark, opened, lines, start = "", None, [], 0
    for number, line in enumerate(text.splitlines(), start=1):
        if opened is None:
            opened = _FENCE.match(line)
            lines, start = [], number + 1
            if opened is None and line.strip():
                said = _COMMENT.match(line)
                mark = said["text"] if said else ""
            continue
        if line.strip() == "```":
            title = _TITLE.search(opened["rest"])
            yield Block(start, opened["language"], title[1] if title else "", mark, tuple(lines))
            mark, opened = "", None
        else:
            lines.append(line.removeprefix(opened["indent"]))
    if opened is not None:
        raise ValueError(f"the block at line {start} is not closed")


def commands(page: Path) -> Iterator[Command]:
    """Every `ivr …` of a page: in blocks of any kind, indented ones too, and in the middle of a sentence."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    inside = {block.line + k for block in blocks(text) for k in range(-1, len(block.lines) + 1)}
    for block in blocks(text):
        typed = block.language in (*SHELLS, "")
        for number, line in _joined(block):
            if block.language == "console" and not line.startswith("$ "):
                continue
            yield from _of_line(f"{name}:{number}", line, whole=typed)
    for number, line in enumerate(text.splitlines(), start=1):
        if number in inside:
            continue
        if line.startswith("    "):
            yield from _of_line(f"{name}:{number}", line, whole=False)
        for found in _INLINE.finditer(line):
            yield from _of_line(f"{name}:{number}", found[1], whole=False)


def _joined(block: Block) -> Iterator[tuple[int, str]]:
    """Lines, those that end with a backslash put together."""
    kept = ""
    for number, line in enumerate(block.lines, start=block.line):
        if line.endswith("\\"):
            kept += line[:-1] + " "
            continue
        yield number, kept + line
        kept = ""


def _of_line(where: str, line: str, *, whole: bool) -> Iterator[Command]:
    line = re.sub(r"(^|\s)#\s.*$", "", line).strip().removeprefix("$ ")
    # Of what may be left out, and of columns, nobody types the whole line.
    whole = whole and not re.search(r"\[|\S {2,}", line)
    # Two blanks or more separate a list's columns: `ivr case take CASE      ivr case show CASE`.
    for part in (each for piece in _BETWEEN.split(line) for each in re.split(r"\s{2,}(?=ivr )", piece)):
        try:
            words = shlex.split(part)
        except ValueError:  # an apostrophe of a sentence, not of a command
            words = part.split()
        if words[:2] == ["sudo", "-u"]:
            words = words[3:]
        if words and (words[0] == "ivr" or words[0].endswith("/bin/ivr")) and len(words) > 1:
            yield Command(where, tuple(words[1:]), whole)
