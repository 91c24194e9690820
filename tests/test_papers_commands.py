"""Each `ivr …` that the papers name is a command that exists, with options and values that exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from papers import ROOT, Command, blocks, commands, papers

from console.commands import ivr

PAGES = papers()
# A word that stands for another: ID, FILE.call, …, 2026-03-10T023000Z.
_PLACE = re.compile(r"[A-Z]{2,}|…|\[|\]|\|")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_exists_as_it_is_written(page: Path) -> None:
    assert [wrong for each in commands(page) if (wrong := _wrong(each))] == []


def test_what_is_looked_at_is_not_nothing() -> None:
    found = [each for page in PAGES for each in commands(page)]
    assert len(found) > 180
    assert len({each.words[:2] for each in found}) > 60
    assert sum(each.whole for each in found) > 50


@pytest.mark.parametrize(
    "words",
    [
        "rotas apply FILE",
        "rota aply FILE",
        "rota apply FILE --forever",
        "user add giulia --role boss",
        "pin rotate --overlap soon 3",
        "case take CASE --for anna",
        "rota absence add anna --to 2026-08-17",
        "explain --at 2026-12-25T03:00 --number +390461825060 now",
        "customer end ACME --on 31.12.2026",
    ],
)
def test_what_does_not_exist_is_noticed(words: str) -> None:
    assert _wrong(Command("here", tuple(words.split()), True))


def test_blocks_are_read_with_their_titles_and_marks() -> None:
    text = '<!-- script: y -->\n```toml title="a.toml"\nb = 1\n```\n\n1. z\n\n   ```sh\n   ivr init\n   ```\n'
    first, second = blocks(text)
    assert (first.line, first.language, first.title, first.mark) == (3, "toml", "a.toml", "script: y")
    assert (first.lines, second.lines, second.mark) == (("b = 1",), ("ivr init",), "")


def _wrong(command: Command) -> str:
    """What is wrong with it, or ""."""
    found: click.Command = ivr
    context = click.Context(ivr, info_name="ivr")
    known = _options(ivr)
    words = list(command.words)
    while words and isinstance(found, click.Group):
        word = words.pop(0)
        if word in ("--config", "--help", "-h"):
            words = words[1:]
            continue
        if _PLACE.search(word) or not re.fullmatch(r"[a-z-]+", word):
            return ""  # `ivr COMMAND`, `ivr: …`
        below = found.get_command(context, word)
        if below is None:
            return f"{command.where}: there is no `ivr {' '.join(command.words)}`"
        found, context = below, click.Context(below, info_name=word, parent=context)
        known |= _options(below)
    for word in words:
        option = re.match(r"\[?(--[a-z-]+)", word)
        if option and option[1] not in known:
            return f"{command.where}: {context.command_path} has no {option[1]}"
    if command.whole and not isinstance(found, click.Group):
        return _refused(command, found, words)
    return ""


def _options(command: click.Command) -> set[str]:
    named = {"--help"}
    for each in command.params:
        if isinstance(each, click.Option):
            named |= {*each.opts, *each.secondary_opts}
    return named


def _refused(command: Command, found: click.Command, words: list[str]) -> str:
    """Parse it as the command would and run nothing; "" for what depends on files, or stands for a value."""
    try:
        found.make_context(found.name, list(words))
    except click.BadParameter as error:
        missing = isinstance(error, click.MissingParameter)
        path = error.param is not None and isinstance(error.param.type, click.Path | click.File)
        stands_for = any(_PLACE.search(word) and word in error.message for word in words)
        if missing or not (path or stands_for):
            return f"{command.where}: {error.format_message()}"
    except click.UsageError as error:
        return f"{command.where}: {error.format_message()}"
    return ""
