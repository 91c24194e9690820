"""A signed log: every line that was changed, forged, removed or moved is found; a crash breaks nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from making import ROOT

from storage.signed_log import LogBusy, Misfit, SignedLog

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
ENTRIES = [{"id": number, "chain": f"{number:064x}", "text": "caffè\n"} for number in range(1, 7)]


def log_at(path: Path, *, key: bytes = KEY, label: str = "test") -> SignedLog:
    return SignedLog(path, key, label)


@pytest.fixture
def log(tmp_path: Path) -> SignedLog:
    made = log_at(tmp_path / "log.jsonl")
    for entry in ENTRIES:
        with made.appending() as file:
            file.append(entry)
    return made


def lines_of(log: SignedLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


def with_lines(log: SignedLog, lines: list[bytes]) -> list[int]:
    """The lines that are found wrong in a file of these; what holds is never more than what was written."""
    log.path.write_bytes(b"".join(lines))
    contents = log.read()
    assert all(entry in [*ENTRIES, {"id": 7}] for entry in contents.entries)
    return [fault.line for fault in contents.faults]


def test_what_was_appended_is_read(log: SignedLog) -> None:
    contents = log.read()
    assert (contents.entries, contents.faults, contents.torn) == (ENTRIES, [], 0)
    assert log.last() is not None
    assert (log.last() or {})["id"] == 6
    assert len(lines_of(log)) == 6


def test_a_file_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    log = log_at(tmp_path / "log.jsonl")
    assert (log.read().entries, log.read().faults, log.last()) == ([], [], None)
    assert not log.path.exists()


def test_several_at_once_are_lines_of_their_own(log: SignedLog) -> None:
    with log.appending() as file:
        file.append({"id": 7}, {"id": 8})
    assert [entry["id"] for entry in log.read().entries] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert log.read().faults == []


def test_only_its_owner_reads_it(log: SignedLog) -> None:
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_it_is_on_the_disk_when_append_returns(log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    with log.appending() as file:
        file.append({"id": 7})
    assert synced == [log.path.stat().st_size]


def test_it_is_never_rewritten(log: SignedLog) -> None:
    """The file may have the append-only attribute: even a tear is healed by adding."""
    log.path.write_bytes(log.path.read_bytes()[:-40])
    before = log.path.read_bytes()
    with log.appending() as file:
        file.append({"id": 7})
    assert log.path.read_bytes().startswith(before)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), log_at(tmp_path / "log.jsonl").appending():
        pass
    assert not (tmp_path / "elsewhere").exists()


# -- tampering -----------------------------------------------------------------------------------


def test_each_byte_changed_is_found(log: SignedLog) -> None:
    content = log.path.read_bytes()
    ends = [place for place, byte in enumerate(content) if byte == ord("\n")]
    for place in range(len(content) - 1):
        line = sum(end < place for end in ends) + 1
        log.path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert log.read().faults[0].line == line, place


def test_the_very_last_byte_changed_is_a_tear(log: SignedLog) -> None:
    log.path.write_bytes(log.path.read_bytes()[:-1] + b"x")
    contents = log.read()
    assert (contents.entries, contents.torn) == (ENTRIES[:-1], 1)


@pytest.mark.parametrize("place", range(5))
def test_each_line_removed_or_moved_is_found(log: SignedLog, place: int) -> None:
    lines = lines_of(log)
    assert with_lines(log, lines[:place] + lines[place + 1 :])[0] == place + 1
    assert (
        with_lines(log, [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]])[0] == place + 1
    )
    assert with_lines(log, [*lines[: place + 1], lines[place], *lines[place + 1 :]])[0] == place + 2
    assert with_lines(log, [*lines[:place], b"\n", *lines[place:]]) == [place + 1]
    assert with_lines(log, [*lines[:place], b"[]\n", *lines[place + 1 :]])[0] == place + 1


def test_what_is_missing_is_named(log: SignedLog) -> None:
    lines = lines_of(log)
    log.path.write_bytes(b"".join([*lines[:2], *lines[4:]]))
    assert log.read().faults == [Misfit(3, "entries 3 to 4 before it are missing")]


def test_a_line_forged_without_the_key_is_found(log: SignedLog, tmp_path: Path) -> None:
    good = lines_of(log)
    forger = log_at(log.path, key=OTHER_KEY)
    with forger.appending() as file:
        file.append({"id": 7})
    assert with_lines(log, lines_of(log)) == [7]
    # And it stays so when the log goes on after it.
    log.path.write_bytes(b"".join(lines_of(log)))
    with log.appending() as file:
        file.append({"id": 7})
    assert [fault.line for fault in log.read().faults] == [7]
    # Nor does a whole file of one's own making hold.
    other = log_at(tmp_path / "other.jsonl", key=OTHER_KEY)
    with other.appending() as file:
        file.append(*ENTRIES)
    assert with_lines(log, lines_of(other)) == [1, 2, 3, 4, 5, 6]
    assert with_lines(log, good) == []


def test_a_line_of_another_log_does_not_fit(log: SignedLog) -> None:
    assert len(log_at(log.path, label="other").read().faults) == 6


def test_a_line_of_another_history_does_not_fit(log: SignedLog, tmp_path: Path) -> None:
    """Signed with the same key, of the same number: taken from a copy that went another way."""
    other = log_at(tmp_path / "other.jsonl")
    for entry in ({"id": 99}, *ENTRIES[1:]):
        with other.appending() as file:
            file.append(entry)
    lines = lines_of(log)
    assert with_lines(log, [*lines[:3], lines_of(other)[3], *lines[4:]])[0] == 4
    assert with_lines(log, [*lines[:5], lines_of(other)[5]]) == [6]


def test_lines_cut_off_the_end_are_not_found(log: SignedLog) -> None:
    """As docs/audit.md says: only a copy elsewhere shows that."""
    assert with_lines(log, lines_of(log)[:3]) == []


# -- tears ---------------------------------------------------------------------------------------


def test_a_tear_anywhere_is_known_and_healed(log: SignedLog) -> None:
    *whole, last = lines_of(log)
    for cut in range(len(last)):
        log.path.write_bytes(b"".join(whole) + last[:cut])
        before = log.read()
        complete = cut == len(last) - 1
        assert before.faults == []
        assert before.entries == (ENTRIES if complete else ENTRIES[:-1])
        assert before.torn == (0 if complete or cut == 0 else 1)
        assert (log.last() or {})["id"] == (6 if complete else 5)
        with log.appending() as file:
            file.append({"id": 7}, {"id": 8})
        after = log.read()
        assert after.entries == [*before.entries, {"id": 7}, {"id": 8}]
        assert (after.faults, after.torn) == ([], before.torn)


@pytest.mark.parametrize("first", [b'{"chain":"00', b"\x00" * 70_000, b"\xff\xfe", b"[" * 100_000])
def test_a_tear_in_the_healing_of_a_tear(log: SignedLog, first: bytes) -> None:
    log.path.write_bytes(log.path.read_bytes() + first + b"\n" + b'{"id":7,"n"')
    assert (log.read().faults, log.read().torn) == ([], 1)
    with log.appending() as file:
        file.append({"id": 7})
    assert (log.read().entries, log.read().faults, log.read().torn) == ([*ENTRIES, {"id": 7}], [], 1)


def test_a_tear_in_the_first_line(tmp_path: Path) -> None:
    log = log_at(tmp_path / "log.jsonl")
    log.path.write_bytes(b'{"id":')
    with log.appending() as file:
        file.append({"id": 7})
    assert (log.read().entries, log.read().faults, log.read().torn) == ([{"id": 7}], [], 1)


def test_a_tear_that_nobody_vouches_for_is_a_fault(log: SignedLog) -> None:
    """Whoever spoils a line in the middle cannot pass it off as torn."""
    lines = lines_of(log)
    assert with_lines(log, [*lines[:5], lines[5][:50] + b"\n"]) == [6]
    with log.appending() as file:
        file.append({"id": 7})
    assert log.read().faults[0].line == 6


def test_a_disk_that_fills_up_leaves_a_tear(log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(handle: int, text: bytes) -> int:
        if len(text) < 60:
            raise OSError(28, "No space left on device")
        return write(handle, text[:60])

    with log.appending() as file:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space"):
                file.append({"id": 7})
        assert log.read().torn == 1
        file.append({"id": 7})
    assert (log.read().entries, log.read().faults) == ([*ENTRIES, {"id": 7}], [])


# -- several who write ---------------------------------------------------------------------------


def test_one_writes_at_a_time(log: SignedLog) -> None:
    with log.appending() as file:
        with pytest.raises(LogBusy), log_at(log.path).appending():
            pass
        file.append({"id": 7})
    with log.appending():
        pass


def test_two_processes_make_one_log(log: SignedLog) -> None:
    script = f"""
from pathlib import Path
from storage.signed_log import LogBusy, SignedLog
log = SignedLog(Path({str(log.path)!r}), bytes.fromhex({KEY.hex()!r}), "test")
left = 50
while left:
    try:
        with log.appending() as file:
            file.append({{"id": left}})
            left -= 1
    except LogBusy:
        pass
"""
    both = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    contents = log.read()
    assert (len(contents.entries), contents.faults, contents.torn) == (106, [], 0)


def test_no_text_of_it_shows_the_key(log: SignedLog) -> None:
    assert KEY.hex() not in repr(vars(log)) + repr(log) + log.path.read_text(encoding="utf-8")
    assert repr(KEY) not in repr(vars(log))
