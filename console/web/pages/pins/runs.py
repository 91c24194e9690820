"""The letters of a run of many PINs: fetched to be printed, then deleted."""

from __future__ import annotations

import io
import zipfile

from flask import Response, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web import jobs, letter_runs, work_files
from console.web.context import at, house, reading, user, writing
from console.web.ids import ID
from console.web.jobs import Job
from console.web.pages.pins.common import area
from console.web.render import page, to
from storage import audit

# Of the audit: letters are no customer's, nor one PIN's.
SUBJECT = "pins"


@area.page(f"/pins/runs/<{ID}:job_id>", May.ISSUE_PINS)
def run(job_id: int) -> str:
    with reading() as connection:
        job = _job(job_id)
        found = letter_runs.files(house(), connection, job)
    return page("pins/run.html", job=job, files=found, deleted=not job.input.get("key"))


@area.page(f"/pins/runs/<{ID}:job_id>/letters", May.ISSUE_PINS, post=True)
def fetch(job_id: int) -> AnyResponse:
    """One file of letters, or all of them in one archive. It is noted who fetched what."""
    job, wanted = _job(job_id), request.form.get("file", "")
    if not job.input.get("key"):
        raise NotFound
    with reading() as connection:
        names = [file.name for file in letter_runs.files(house(), connection, job)]
    if wanted:
        names = [name for name in names if name == wanted]
    found = {name: read for name in names if (read := letter_runs.content(house(), job, name)) is not None}
    if not found:
        raise NotFound
    with writing() as connection:
        told = {"run": job.id, "files": sorted(found)}
        audit.record(connection, user().actor, at(), "pin.letters.fetch", SUBJECT, details=told)
    if len(found) == 1:
        ((name, content),) = found.items()
        return _download(content, name, "application/pdf")
    return _download(_archive(found), f"letters-{job.id}.zip", "application/zip")


@area.page(f"/pins/runs/<{ID}:job_id>/delete", May.ISSUE_PINS, post=True)
def delete(job_id: int) -> AnyResponse:
    """Delete the letters: first their key, so that nothing that stays behind can be read."""
    job = _job(job_id)
    if job.input.get("key"):
        with writing() as connection:
            jobs.keep(connection, job, key="")
            audit.record(
                connection, user().actor, at(), "pin.letters.delete", SUBJECT, details={"run": job.id}
            )
    work_files.remove(house(), job.input["folder"])
    return to("pins.run", "pins.letters-deleted", job_id=job.id)


def _job(job_id: int) -> Job:
    with reading() as connection:
        job = jobs.find(connection, job_id)
    if job is None or job.kind != "letters":
        raise NotFound
    return job


def _archive(found: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return out.getvalue()


def _download(content: bytes, name: str, kind: str) -> AnyResponse:
    return Response(content, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
