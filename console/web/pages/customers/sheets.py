"""Customers from a sheet: uploaded, checked, looked at, written. Each step survives a closed page."""

from __future__ import annotations

from flask import Response, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web import customer_sheets, jobs, work_files
from console.web.context import at, house, user, words, writing
from console.web.ids import ID
from console.web.jobs import Job
from console.web.pages.customers.common import Answer, area, said
from console.web.pages.work import job_of
from console.web.render import page, to
from pins import customer_csv, customer_import
from pins.customer_card import FIELDS

LONGEST_FILE_NAME = 80


@area.page("/customers/import", May.CHANGE_CUSTOMERS)
def sheet() -> str:
    return page("customers/import.html", columns=FIELDS, most=customer_csv.MOST_ROWS)


@area.page("/customers/import", May.CHANGE_CUSTOMERS, post=True)
def upload() -> Answer:
    file = request.files.get("sheet")
    data = file.read(customer_csv.LARGEST + 1) if file else b""
    if file is None or not data:
        wrong = words()("customers.no-sheet")
        return page("customers/import.html", columns=FIELDS, most=customer_csv.MOST_ROWS, wrong=wrong), 422
    folder, path = work_files.make(house())
    work_files.write(path, customer_sheets.SHEET, data)
    asked = {"folder": folder}
    with writing(once=True) as connection:
        job = jobs.ask(connection, at(), user(), "customer-check", asked, work_files.place(house()))
    return to("work.show", job_id=job)


@area.page("/customers/import/example.csv", May.CHANGE_CUSTOMERS)
def example() -> AnyResponse:
    """An empty sheet with the headings, in one's own language, as a spreadsheet likes it."""
    text = customer_csv.write([words()(f"customers.heading-{name}") for name in FIELDS], [], separator=";")
    return Response(
        f"\ufeff{text}".encode(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="customers.csv"'},
    )


@area.page(f"/customers/import/<{ID}:job_id>", May.CHANGE_CUSTOMERS)
def preview(job_id: int) -> str:
    job = _job(job_id, "customer-check")
    found = customer_sheets.preview(house(), job)
    mistakes = []
    if found:
        mistakes = [
            {
                "row": each["row"],
                "column": _column(each["column"]),
                "why": said(each["reason"], each["facts"]),
            }
            for each in found["mistakes"]
        ]
    return page(
        "customers/preview.html",
        job=job,
        found=found,
        mistakes=mistakes,
        column=_column,
        most=customer_sheets.SHOWN,
        most_written=customer_sheets.most_written(house()),
    )


@area.page(f"/customers/import/<{ID}:job_id>", May.CHANGE_CUSTOMERS, post=True)
def confirm(job_id: int) -> Answer:
    """Have it written as it was shown."""
    job = _job(job_id, "customer-check")
    result = job.result or {}
    if result.get("mistakes") or result.get("too_many") or customer_sheets.preview(house(), job) is None:
        return to("customers.preview", job_id=job.id)
    asked = {"folder": job.input["folder"], "digest": result["digest"]}
    with writing(once=True) as connection:
        doing = jobs.ask(connection, at(), user(), "customer-import", asked, work_files.place(house()))
    return to("work.show", job_id=doing)


@area.page(f"/customers/import/<{ID}:job_id>/discard", May.CHANGE_CUSTOMERS, post=True)
def discard(job_id: int) -> AnyResponse:
    """Throw the sheet away."""
    work_files.remove(house(), _job(job_id, "customer-check").input["folder"])
    return to("customers.index", "customers.sheet-discarded")


@area.page(f"/customers/imported/<{ID}:job_id>", May.CHANGE_CUSTOMERS)
def imported(job_id: int) -> str:
    return page("customers/imported.html", job=_job(job_id, "customer-import"))


def _job(job_id: int, kind: str) -> Job:
    """A piece of work of one's own that has done what it was to do. Raises NotFound."""
    job = job_of(job_id)
    if job.kind != kind or job.state != "done":
        raise NotFound
    return job


def _column(name: str) -> str:
    """A column as its heading calls it; a heading that nobody knows as it stands in the sheet."""
    known = customer_import.column_of(name) or name
    return words().maybe(f"customers.heading-{known}", name)
