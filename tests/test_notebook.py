"""One note a name: the later one counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from making import NIGHT, fresh_database

from storage import notebook


def test_a_note_is_read_as_it_was_written_last(tmp_path: Path) -> None:
    later = NIGHT + timedelta(hours=1)
    with fresh_database(tmp_path) as database, database.write() as connection:
        assert notebook.read(connection, "one") is None
        notebook.write(connection, NIGHT, "one", {"address": "https://a.example"})
        notebook.write(connection, NIGHT, "two", {"found": []})
        notebook.write(connection, later, "one", {"address": "https://è.example"})
        assert notebook.read(connection, "one") == notebook.Note(later, {"address": "https://è.example"})
        notebook.remove(connection, "one")
        assert notebook.read(connection, "one") is None
        assert notebook.read(connection, "two") is not None
