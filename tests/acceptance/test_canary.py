"""A PIN's whole life, watched: issued by letter and e-mail, keyed right and wrong, revoked. Nobody but the
letter and the mail ever held it.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mail_server import mail_server
from pypdf import PdfReader

from storage.sealed_file import opened

from .installation import Installation
from .test_service import OUR_NUMBER, disguises

ALL_DAY = '["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]'
DELIVERED_WITHIN = 60.0


class Lookout:
    """Collects what every process of this machine was started with, and every file below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.seen: dict[str, bytes] = {}
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    self._keep(process / name)
            for file in self._folder.rglob("*"):
                self._keep(file)

    def _keep(self, file: Path) -> None:
        with suppress(OSError):
            content = file.read_bytes()
            if content and self.seen.get(str(file)) != content:
                self.seen[f"{file} #{len(self.seen)}"] = self.seen[str(file)] = content


def lines(file: Path, **values: str) -> None:
    text = file.read_text()
    for key, value in values.items():
        text, found = re.subn(rf"(?m)^(# )?{key} = .*$", lambda _, k=key, v=value: f"{k} = {v}", text)
        assert found == 1, key
    file.write_text(text)


def test_the_letter_and_the_mail_alone_hold_a_pin(
    installed: Callable[..., Installation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, letters = tmp_path / "scratch", tmp_path / "letters"
    scratch.mkdir()
    letters.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    house = installed("house")
    house.ivr("init")
    house.configure()
    config = house.folder / "config.toml"
    lookout = Lookout(scratch)
    with mail_server(house.folder) as server, lookout.watching():
        text = config.read_text()
        head, mail, rest = text.partition("[mail]\n")
        mailed = house.folder / "mail.part"
        mailed.write_text(rest)
        lines(
            mailed,
            host=f'"{server.settings.host}"',
            port=str(server.settings.port),
            sender='"notte@example.net"',
            ca_file=f'"{server.ca_file.name}"',
        )
        config.write_text(head + mail + mailed.read_text())
        mailed.unlink()
        lines(config, closed_days=ALL_DAY)
        house.ivr(
            *("customer", "add", "Canarino", "--code", "CANARY"),
            *("--email", "chi@example.net", "--letters-by-email", "--phone", "+390461000777"),
        )
        house.ivr("pin", "issue", "CANARY", "--letters", str(letters), "--email", "--reason", "nuovo")
        (letter,) = letters.glob("*.pdf")
        printed = "".join(page.extract_text() for page in PdfReader(letter).pages)
        found = re.search(r"(?<![0-9])([0-9]{4})[\s\u00a0\u2009\u202f]+([0-9]{4})(?![0-9])", printed)
        assert found, "no PIN is printed in the letter"
        canary = found[1] + found[2]
        (listed,) = house.json("pin", "list")["pins"]

        contents: list[tuple[str, bytes]] = [
            ("while queued: " + where, what) for where, what in house.files()
        ]
        assert any("outbox" in where for where, _ in contents), "nothing was queued"

        house.start()
        line = house.line()
        call = line.ring(OUR_NUMBER)
        call.press("93817264#")  # a wrong one first
        call.press(canary + "#")
        assert call.one_key, call.heard
        call.hangs_up()
        patience = time.monotonic() + DELIVERED_WITHIN
        while not server.post.received:
            assert time.monotonic() < patience, "the mail was not delivered"
            time.sleep(0.05)
        (delivered,) = server.post.received
        body = delivered.get_body(("plain",))
        assert body is not None
        assert canary in re.sub(r"[\s\u00a0]", "", body.get_content())
        assert canary not in str(delivered["Subject"])

        house.ivr("pin", "revoke", str(listed["id"]), "--reason", "prova")
        refused = line.ring(OUR_NUMBER)
        refused.press(canary + "#")
        assert refused.asks_for_pin, refused.heard
        refused.hangs_up()
        contents += [("while served: " + where, what) for where, what in house.files()]
        backup = tmp_path / "backup.db"
        with sqlite3.connect(house.folder / "ivr.db") as source, sqlite3.connect(backup) as target:
            source.backup(target)
        source.close()
        target.close()
        house.ivr("backup", str(tmp_path / "sealed.backup"))
        keys = tomllib.loads(config.read_text())["backup"]["sealing_keys"]
        with (tmp_path / "sealed.backup").open("rb") as sealed:
            contents.append(("what is in a backup", b"".join(opened(sealed, [bytes.fromhex(keys[0])]))))
        house.stop()

    assert b"Canarino" in contents[-1][1]
    contents += list(house.files())
    contents += [("backup", backup.read_bytes()), *lookout.seen.items()]
    contents += [(f"address {url}", url.encode() + answer.body) for url, answer in line.log]
    assert not [file for file in scratch.rglob("*") if file.is_file()], "something was left in TMPDIR"
    leaks = [
        f"{disguise} in {where}"
        for where, content in contents
        for disguise, pattern in disguises(canary).items()
        if pattern in (content if disguise.startswith("base64") else content.lower())
    ]
    assert leaks == []
    # The lookout saw what it was there to see.
    assert any(b"--letters" in content for content in lookout.seen.values())
    assert not list((house.folder / "state" / "outbox").glob("*"))
