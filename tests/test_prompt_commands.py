"""`ivr prompt`: what is read aloud, recorded, tried and taken away from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from making import SECRETS, configuration, fresh_database
from sqlalchemy import select
from voices import file_of, murmur, reading

from console.commands import ivr
from ivr.tables import own_prompts
from storage.engine import open_database
from storage.tables import audit

Run = Callable[..., Result]
LINE = ["--line", "goodbye", "--language", "it"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    with fresh_database(tmp_path):
        path = configuration(tmp_path).file
    (tmp_path / "ciao.wav").write_bytes(reading("Arrivederci."))
    (tmp_path / "long.wav").write_bytes(file_of(murmur(4)))
    (tmp_path / "note.mp3").write_bytes(b"ID3\x04" + bytes(100))

    def invoke(*arguments: str) -> Result:
        given = [str(tmp_path / each) if "." in each else each for each in arguments]
        return CliRunner(env=SECRETS).invoke(ivr, ["--config", str(path), "prompt", *given])

    return invoke


def test_a_sentence_is_tried_put_listed_and_removed(run: Run, tmp_path: Path) -> None:
    tried = run("check", "ciao.wav", *LINE)
    assert (tried.exit_code, tried.output.startswith("good: ")) == (0, True)
    assert json.loads(run("list", "--json").output) == {"recordings": []}
    put = run("put", "ciao.wav", *LINE, "--number", "+390461825060")
    assert put.exit_code == 0
    assert put.output.startswith("goodbye (it) is played on +390461825060: ")
    (found,) = json.loads(run("list", "--json").output)["recordings"]
    assert (found["line"], found["language"], found["number"]) == ("goodbye", "it", "+390461825060")
    assert found["state"] in ("played", "unsigned")
    assert "goodbye" in run("list").output
    assert run("remove", *LINE).exit_code == 1, "that of all numbers is another"
    gone = run("remove", *LINE, "--number", "+390461825060")
    assert (gone.exit_code, gone.output) == (0, "goodbye (it) is spoken again\n")
    database = open_database("sqlite:///ivr.db", folder=tmp_path)
    with database.read() as connection:
        acts = connection.execute(select(audit.c.act).order_by(audit.c.id)).scalars().all()
        kept = connection.execute(select(own_prompts.c.removed_at)).scalars().all()
    database.close()
    assert acts[-2:] == ["prompt.put", "prompt.remove"]
    assert len(kept) == 1
    assert kept[0] is not None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["note.mp3", *LINE], "note.mp3: not a WAV file, but MP3"),
        (["long.wav", *LINE], "this sentence may take 2.4 s"),
        (["ciao.wav", "--line", "greeting"], "greeting stays spoken: what it says differs from call to call"),
        (["ciao.wav", "--line", "nothing"], "there is no sentence 'nothing'"),
        (["ciao.wav", "--line", "goodbye", "--language", "fr"], "'fr' is not spoken here: give de, en, it"),
        (["ciao.wav", *LINE, "--number", "+390000000000"], "+390000000000 is not one of our numbers"),
    ],
)
@pytest.mark.parametrize("verb", ["put", "check"])
def test_what_cannot_be_played_is_refused_in_one_line(
    run: Run, verb: str, arguments: list[str], why: str
) -> None:
    result = run(verb, *arguments)
    assert result.exit_code == 1
    assert why in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_the_listing_is_numbered_and_says_what_is_read(run: Run) -> None:
    printed = run("listing", "--language", "it").output
    assert "goodbye (0.3 to 2.4 s)\n     Arrivederci.\n" in printed
    assert "greeting" not in printed
    whole = json.loads(run("listing", "--language", "de", "--all", "--json").output)["sentences"]
    assert [each["place"] for each in whole] == list(range(1, len(whole) + 1))
    by_line = {each["line"]: each for each in whole}
    assert by_line["goodbye"]["recordable"]
    assert by_line["greeting"]["variable"] == ["customer"]
    assert by_line["greeting"]["why"] == "variable"
