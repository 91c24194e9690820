"""Long work as whoever asked for it sees it: how far it has come, how it ended, what he asked for lately."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web import jobs
from console.web.area import Area
from console.web.context import reading, user
from console.web.ids import ID
from console.web.jobs import Job
from console.web.render import page

area = Area("work")


@area.page("/work", May.OWN)
def index() -> str:
    with reading() as connection:
        found = jobs.recent(connection, user())
    return page("work/index.html", found=found)


@area.page(f"/work/<{ID}:job_id>", May.OWN)
def show(job_id: int) -> AnyResponse | str:
    job = job_of(job_id)
    leaves = job.state == "done" or (job.state == "failed" and job.kind in jobs.SHOWN_IF_FAILED)
    if leaves and job.kind in jobs.SHOWN:
        return redirect(url_for(jobs.SHOWN[job.kind], job_id=job.id), 303)
    return page("work/show.html", job=job)


@area.page(f"/work/<{ID}:job_id>/progress", May.OWN, polled=True)
def progress(job_id: int) -> AnyResponse | str:
    """The piece of the page that tells how far it is. Once it has ended the page is loaded anew."""
    job = job_of(job_id)
    if job.ended and request.headers.get("HX-Request"):
        return Response("", 200, {"HX-Redirect": url_for("work.show", job_id=job.id)})
    return page("work/progress.html", job=job)


def job_of(job_id: int) -> Job:
    """The piece of work, if it is the user's own; who looks after users sees everybody's. Raises NotFound."""
    with reading() as connection:
        job = jobs.find(connection, job_id)
    if job is None or (job.user_id != user().id and not user().may(May.USERS)):
        raise NotFound
    return job
