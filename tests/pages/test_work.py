"""Long work: it survives a closed page and a dead process, and has its effect once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import expect
from screens import Screen
from sqlalchemy import insert, select, update
from visitors import Console

from console.house import House
from console.tables import console_forms, console_jobs
from console.web import customer_sheets, jobs, work_files
from console.web.jobs import Does, Job, JobFailed, Later, Progress
from console.web.pages import work as pages
from pins import customers


class Killed(BaseException):
    """As if the process ended here."""


class Kind:
    """A kind of work of this test's own: `does` does it."""

    def __init__(self) -> None:
        self.does: Does = lambda house, at, job, progress: {}

    def __call__(self, house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
        return self.does(house, at, job, progress)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Kind:
    made = Kind()
    monkeypatch.setitem(jobs.KINDS, "customer-check", "work")
    monkeypatch.delitem(jobs.SHOWN, "customer-check")
    monkeypatch.setattr(pages, "JOBS", {"customer-check": made}, raising=False)
    return made


def ask(console: Console, role: str = "admin", place: str = "", **wanted: object) -> int:
    with console.house.database.write() as connection:
        user = console.users[role]
        return jobs.ask(connection, console.clock.now(), user, "customer-check", wanted, place)


def the(console: Console, job_id: int) -> Job:
    with console.house.database.read() as connection:
        found = jobs.find(connection, job_id)
    assert found
    return found


def dies(console: Console) -> None:
    with pytest.raises(Killed):
        jobs.run_next(console.house, console.clock.now)


def test_how_far_it_is_is_shown_and_the_page_goes_on_by_itself(screen: Screen, kind: Kind) -> None:
    job = ask(screen.console)
    page = screen.open(f"/work/{job}")
    expect(page.get_by_role("progressbar")).to_be_visible()
    with screen.console.house.database.write() as connection:
        connection.execute(update(console_jobs).values(state="running", done=1200, total=5000))
    expect(page.get_by_role("status")).to_have_text("1.200 di 5.000")
    with screen.console.house.database.write() as connection:
        connection.execute(update(console_jobs).values(state="waiting", done=0, total=0))
    screen.console.work()
    expect(page.get_by_text("Il lavoro è finito.")).to_be_visible()
    page.get_by_role("link", name="I Suoi lavori").click()
    expect(page.get_by_role("row")).to_have_count(2)


def test_without_script_the_page_loads_itself(console: Console, kind: Kind) -> None:
    page = console.visitor().page(f"/work/{ask(console)}")
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in page


def test_a_piece_asked_for_after_the_end_loads_the_page_anew(console: Console, kind: Kind) -> None:
    job = ask(console)
    visitor = console.visitor()
    piece = visitor.get(f"/work/{job}/progress", headers={"HX-Request": "true"})
    assert "<html" not in piece.get_data(as_text=True)
    console.work()
    ended = visitor.get(f"/work/{job}/progress", headers={"HX-Request": "true"})
    assert ended.headers["HX-Redirect"] == f"/work/{job}"


def test_to_look_on_is_not_to_be_there(console: Console, kind: Kind) -> None:
    """A page left open does not keep its session alive."""
    job, visitor = ask(console), console.visitor()
    for _ in range(3):
        console.clock.forward(minutes=6)
        visitor.get(f"/work/{job}/progress", headers={"HX-Request": "true"})
    assert visitor.get(f"/work/{job}").headers["Location"].startswith("/login")


def test_work_of_others_is_not_there_but_for_an_admin(console: Console, kind: Kind) -> None:
    job = ask(console, "dispatcher")
    assert console.visitor("reader").get(f"/work/{job}").status_code == 404
    assert f"/work/{job}" not in console.visitor("reader").page("/work")
    assert f"/work/{job}" in console.visitor("dispatcher").page("/work")
    console.visitor("admin").page(f"/work/{job}")


def test_what_failed_is_said_in_words(console: Console, kind: Kind) -> None:
    def fails(*given: object) -> Mapping[str, Any]:
        raise JobFailed({"why": "gone"})

    def breaks(*given: object) -> Mapping[str, Any]:
        raise ValueError("a text of the program")

    visitor = console.visitor()
    for does, said in ((fails, "Il foglio non c'è più"), (breaks, "per un guasto del programma")):
        kind.does = does
        job = ask(console)
        console.work()
        page = visitor.page(f"/work/{job}")
        assert said in page
        assert "a text of the program" not in page


# -- whoever does it may die ----------------------------------------------------------------------


def test_the_next_one_takes_up_what_a_dead_one_left(console: Console, kind: Kind) -> None:
    done: list[str] = []

    def in_steps(house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
        for number in range(len(done), 3):
            done.append(f"step {number}")
            progress(number + 1, 3)
            if number == 1 and not revived:
                raise Killed
        return {"steps": len(done)}

    revived: list[bool] = []
    kind.does = in_steps
    job = ask(console)
    dies(console)
    assert (the(console, job).state, the(console, job).done) == ("running", 1)
    assert not jobs.run_next(console.house, console.clock.now)  # it might be alive
    console.clock.forward(seconds=61)
    revived.append(True)
    assert jobs.run_next(console.house, console.clock.now)
    assert (the(console, job).state, the(console, job).result) == ("done", {"steps": 3})
    assert done == ["step 0", "step 1", "step 2"]
    assert not jobs.run_next(console.house, console.clock.now)


def sheet(console: Console) -> tuple[int, str]:
    """An import that was confirmed: its work, and the code it adds."""
    name, folder = work_files.make(console.house)
    work_files.write(folder, customer_sheets.SHEET, b"name\nDel tutto nuovo\n")
    with console.house.database.write() as connection:
        at, admin, place = console.clock.now(), console.users["admin"], work_files.place(console.house)
        check = jobs.ask(connection, at, admin, "customer-check", {"folder": name}, place)
    console.work()
    asked = {"folder": name, "digest": (the(console, check).result or {})["digest"]}
    with console.house.database.write() as connection:
        return jobs.ask(connection, at, admin, "customer-import", asked, place), "DELTUTTONUOV"


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_an_import_whose_process_dies_is_written_once(
    console: Console, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The sheet has no codes: written twice it would be refused, or add everybody again."""
    job, code = sheet(console)

    def killed(*given: object, **more: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if when == "before the commit":
            patched.setattr(Progress, "finish", killed)
        else:
            patched.setattr(work_files, "remove", killed)
        dies(console)
    written = when == "after the commit"
    assert (the(console, job).state == "done") == written
    console.clock.forward(seconds=61)
    console.work()
    assert the(console, job).result == {"added": 1, "changed": 0, "unchanged": 0}
    with console.house.database.read() as connection:
        assert [each.code for each in customers.all_customers(connection)].count(code) == 1
    assert "Aggiunti 1" in console.visitor().page(f"/customers/imported/{job}")
    console.clock.forward(days=1, seconds=1)
    jobs.sweep(console.house, console.clock.now())
    folder = work_files.folder(console.house, the(console, job).input["folder"])
    assert not folder.exists()


def test_one_that_was_thought_dead_writes_nothing_any_more(console: Console, kind: Kind) -> None:
    effects: list[str] = []

    def slow(house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
        kind.does = quick
        console.clock.forward(seconds=61)
        assert jobs.run_next(house, console.clock.now)  # another takes it meanwhile
        with house.database.write() as connection:
            progress.finish(connection, {"by": "slow"})
            effects.append("slow")
        return {}

    def quick(house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
        with house.database.write() as connection:
            progress.finish(connection, {"by": "quick"})
        effects.append("quick")
        return {}

    kind.does = slow
    job = ask(console)
    assert jobs.run_next(console.house, console.clock.now)
    assert effects == ["quick"]
    assert the(console, job).result == {"by": "quick"}


def test_what_kills_its_process_each_time_is_given_up(console: Console, kind: Kind) -> None:
    def deadly(*given: object) -> Mapping[str, Any]:
        raise Killed

    kind.does = deadly
    job = ask(console)
    for _ in range(jobs.MOST_TRIES):
        dies(console)
        console.clock.forward(seconds=61)
    assert jobs.run_next(console.house, console.clock.now)
    assert (the(console, job).state, the(console, job).result) == ("failed", {"why": "died"})
    assert "si è interrotto più volte" in console.visitor().page(f"/work/{job}")


def test_what_cannot_be_done_now_is_done_later(console: Console, kind: Kind) -> None:
    def busy(*given: object) -> Mapping[str, Any]:
        raise Later

    does, kind.does = kind.does, busy
    job = ask(console)
    assert jobs.run_next(console.house, console.clock.now)
    assert not jobs.run_next(console.house, console.clock.now)
    kind.does = does
    console.clock.forward(seconds=61)
    assert jobs.run_next(console.house, console.clock.now)
    assert the(console, job).state == "done"


def test_work_is_done_where_its_files_are(console: Console, kind: Kind) -> None:
    elsewhere = ask(console, place="another")
    here = ask(console, place=work_files.place(console.house))
    console.work()
    assert (the(console, elsewhere).state, the(console, here).state) == ("waiting", "done")


# -- what had its time -----------------------------------------------------------------------------


def test_what_had_its_time_is_swept(console: Console, kind: Kind) -> None:
    job = ask(console)
    console.work()
    with console.house.database.write() as connection:
        connection.execute(insert(console_forms).values(token="x" * 24, used_at=console.clock.now()))
    jobs.sweep(console.house, console.clock.now())
    console.clock.forward(days=1, seconds=1)
    jobs.sweep(console.house, console.clock.now())
    with console.house.database.read() as connection:
        assert connection.execute(select(console_forms)).first() is None
        assert jobs.find(connection, job)
    console.clock.forward(days=30)
    jobs.sweep(console.house, console.clock.now())
    with console.house.database.read() as connection:
        assert jobs.find(connection, job) is None


def test_a_folder_of_no_work_is_swept_once_it_is_old(console: Console) -> None:
    _, folder = work_files.make(console.house)
    made = datetime.fromtimestamp(folder.stat().st_mtime, console.clock.now().tzinfo)
    work_files.sweep(console.house, set(), made)
    assert folder.exists()
    work_files.sweep(console.house, set(), made + work_files.UNKNOWN_KEPT * 1.01)
    assert not folder.exists()


def test_no_name_leads_out_of_the_folder(console: Console) -> None:
    for name in ("", "..", "../outbox", "a" * 31, "A" * 32, "a" * 32 + "/..", "./" + "a" * 30):
        with pytest.raises(ValueError, match=f"^{re.escape(name)}$"):
            work_files.folder(console.house, name)


def test_every_kind_is_called_something_and_done_somewhere() -> None:
    from importlib import import_module

    from console.web.words import LANGUAGES, texts

    for kind, module in jobs.KINDS.items():
        found: ModuleType = import_module(f"console.web.pages.{module}")
        assert kind in found.JOBS
        for language in LANGUAGES:
            assert f"work.kind-{kind}" in texts(language)
