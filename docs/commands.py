"""Writes docs/commands.md below its head: every command with its options and help, as click has them.

Run by hand: `python docs/commands.py`. A test says when it is time.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from console.commands import ivr

PAPER = Path(__file__).parent / "commands.md"
BEGIN, END = "<!-- written by docs/commands.py -->", "<!-- to here -->"


def pages() -> str:
    """As Markdown: a heading a command, those of a group below it."""
    whole = click.Context(ivr, info_name="ivr")
    lines: list[str] = []
    for name in ivr.list_commands(whole):
        command = ivr.get_command(whole, name)
        assert command is not None
        for context in _within(click.Context(command, whole, info_name=name)):
            lines += _one(context)
    return "\n".join(lines)


def _within(context: click.Context) -> Iterator[click.Context]:
    """A command and all below it, by name; what `--help` hides is left out."""
    if context.command.hidden:
        return
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None
            yield from _within(click.Context(command, context, info_name=name))


def _one(context: click.Context) -> list[str]:
    command = context.command
    depth = context.command_path.count(" ") + 1
    lines = [f"{'#' * min(depth, 3)} `{context.command_path}`", "", *_help(command), ""]
    if not isinstance(command, click.Group):
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        lines += ["```", usage, "```", ""]
    options = list(_options(context))
    if options:
        lines += ["| option | |", "|---|---|", *options, ""]
    return lines


def _help(command: click.Command) -> list[str]:
    """Paragraphs, each on one line."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    said = [" ".join(each.split()) for each in paragraphs]
    return re.sub(r"docs/([a-z-]+\.md)", r"[\1](\1)", "\n\n".join(said)).split("\n")


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.params:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            cells = (" ".join(each.split()).replace("<=", "≤").replace(">=", "≥") for each in record)
            written, about = (cell.replace("|", " \\| ") for cell in cells)
            yield f"| `{written}` | {about} |"


def main() -> None:
    before, _, rest = PAPER.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAPER.write_text(f"{before}{BEGIN}\n\n{pages()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
