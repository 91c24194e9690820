"""The page of a case and its forms, for the two areas that have one: the office's, and a technician's own.

Which cases somebody may see, and which acts he is offered, say those areas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response, request, send_file, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound

from console import case_acts, case_story
from console.case_acts import Doer, NotDone
from console.customer_search import Found, search
from console.web.context import SentBefore, at, house, reading, user, words, writing
from console.web.render import page
from console.web.shown import case as shown_case
from console.web.shown.case import CaseShown
from oncall.cases import cases
from oncall.cases.cases import Case, CaseClosed

Sees = Callable[[Connection, Case], bool]
# Long enough for every field of these forms together.
LONGEST_FIELD = 20_000


@dataclass(frozen=True)
class Desk:
    """One area's way to cases: its template and endpoints, whether somebody `sees` a case, and as whom he
    acts; `acts` are those he may do. `himself`: a technician, for himself alone.
    """

    area: str
    template: str
    sees: Sees
    doer: Callable[[], Doer]
    acts: Callable[[], frozenset[str]]
    himself: bool

    def show(self, number: str) -> str:
        """The page."""
        return self._page(number)

    def pulse(self, number: str) -> str:
        """The pieces of it that time changes, asked for by the page itself."""
        with reading() as connection:
            case = self.find(connection, number)
            shown = shown_case.shown(connection, at(), house(), case, words())
        return page("cases/pulse.html", desk=self, it=shown, seen=request.args.get("seen", ""))

    def act(self, number: str) -> tuple[str, int] | str:
        """Do what the form asks: returns the name of what is said of it where the page is shown again, or the
        page with why not, and 422.
        """
        form = {name: value[:LONGEST_FIELD].replace("\0", "") for name, value in request.form.items()}
        wanted = form.get("act", "")
        if wanted not in self.acts():
            raise BadRequest
        if wanted == "merge":
            form["other"] = form.get("other-number", "").strip() or form.get("other", "")
        try:
            with writing(once=True) as connection:
                cases.lock(connection)
                case_acts.do(
                    connection, at(), house(), self.doer(), wanted, self.find(connection, number), form
                )
        except SentBefore:
            return "again"
        except CaseClosed:
            return self._page(number, why="closed", kept=form), 422
        except NotDone as refused:
            return self._page(number, why=refused.why, kept=form), 422
        return wanted

    def searched(self, number: str) -> str:
        """The page with the customers that a search found: by POST, so that it stands in no address."""
        if "name" not in self.acts():
            raise BadRequest
        text = request.form.get("q", "")[:100].replace("\0", "")
        with reading() as connection:
            case = self.find(connection, number)
            asked = case.screened and case.customer_id is None
            found = search(connection, text) if asked else None
        return self._page(number, kept={"act": "name", "q": text}, found=found)

    def sound(self, number: str, recording: int) -> Response:
        """A recording of the case."""
        with reading() as connection:
            case = self.find(connection, number)
            known = {each.number: each.file for each in case_story.recordings(connection, case)}
        file = case_story.sound(house(), known.get(recording, ""))
        if file is None:
            raise NotFound
        return send_file(file, mimetype="audio/mpeg", etag=False, conditional=True)

    def find(self, connection: Connection, number: str) -> Case:
        """The case of this number. Raises NotFound, also for one that is not his to see."""
        case = shown_case.find(connection, number)
        if case is None or case.number != number or not self.sees(connection, case):
            raise NotFound
        return case

    def url(self, view: str, shown: CaseShown, **more: object) -> str:
        """The address of a page or form of this area about the case."""
        return url_for(f"{self.area}.{view}", number=shown.case.number, **more)  # type: ignore[arg-type]

    def _page(
        self, number: str, *, why: str = "", kept: Mapping[str, str] | None = None, found: Found | None = None
    ) -> str:
        with reading() as connection:
            case = self.find(connection, number)
            shown = shown_case.shown(connection, at(), house(), case, words())
        kept = kept or {}
        return page(
            self.template,
            desk=self,
            it=shown,
            case=case,
            acts=self.acts(),
            own=user().technician,
            levels=_levels(),
            kept=kept,
            opened=kept.get("act", ""),
            found=found,
            refused=_why_not(why, shown),
            wrong=why,
        )


def _levels() -> list[tuple[str, str]]:
    """Every urgency with what it means."""
    language = words().language
    return [
        (level.code, level.definition.get(language, level.meaning if language == "en" else ""))
        for level in house().configuration.urgency.level
    ]


def _why_not(why: str, shown: CaseShown) -> str:
    if not why:
        return ""
    t = words()
    if why == "meanwhile":
        if shown.holder is None:
            return t("cases.refused-meanwhile-nobody")
        return t("cases.refused-meanwhile", name=shown.holder.name)
    return t.maybe(f"cases.refused-{why}", t("cases.refused-other"))
