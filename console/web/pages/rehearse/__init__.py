"""Rehearsals: a question that is answered by a call which plays itself, a telephone in the browser, and calls
that were saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, current_app, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.phone import BadCallFile, Mismatch
from console.phone.callfile import UNKNOWN
from console.phone.exchange import NeverSettles
from console.rehearsing import question, scene
from console.rehearsing.question import Question
from console.rehearsing.scene import Cue, Scene
from console.rehearsing.stage import outlook
from console.rehearsing.store import Busy, SetUp, Store, TooMany, Underway
from console.web.area import Area
from console.web.context import at, house, reading, user, words
from console.web.pages.rehearse import acts, beginning
from console.web.pages.rehearse.acts import NotNow
from console.web.pages.rehearse.beginning import Beginning
from console.web.people import people
from console.web.render import is_fragment, page, to
from console.web.shown.rehearse.answer import answer
from console.web.shown.rehearse.scene import show as shown
from pins import customer_choice

area = Area("rehearse")
KEY = "rehearsals"
# Of a saved call.
LONGEST_FILE, MOST_LINES = 64 * 1024, 400
FASTEST = 60


@dataclass(frozen=True)
class Asked:
    """It began with a question."""

    question: Question


@dataclass(frozen=True)
class Played:
    """It began with a saved call. `line` is the number of the line where it went another way, 0 for none;
    `lines` are the file's.
    """

    lines: tuple[str, ...]
    line: int = 0


@area.record
def keep_store(state: BlueprintSetupState) -> None:
    """Rehearsals stand in the memory of the console's one process."""
    state.app.extensions[KEY] = Store()


def store() -> Store:
    found: Store = current_app.extensions[KEY]
    return found


# -- how one begins ----------------------------------------------------------------------------


@area.page("/rehearse", May.REHEARSE)
def index() -> str:
    given = {name: value.strip()[:200] for name, value in request.args.items()}
    return _index(beginning.first(house().configuration, given))


@area.page("/rehearse/customers", May.REHEARSE)
def customers() -> str:
    """Customers that match what is typed, for the field's list."""
    with reading() as connection:
        found = customer_choice.choices(connection, request.args.get("customer", "")[:200])
    return page("rehearse/_customers.html", found=found, label=beginning.label)


@area.page("/rehearse/outlook", May.REHEARSE)
def moment() -> str:
    """What the chosen moment is: hours, and who is on duty."""
    configuration = house().configuration
    form = beginning.first(configuration, {}) | {name: value.strip() for name, value in request.args.items()}
    if form["number"] not in configuration.our_numbers:
        form["number"] = configuration.our_numbers[0]
    return page("rehearse/_outlook.html", **_outlook(form))


@area.page("/rehearse/ask", May.REHEARSE, post=True)
def ask() -> AnyResponse | tuple[str, int]:
    read = _sent()
    if read.cue is None:
        return _index(read.form, read), 422

    def set_up() -> Scene:
        made = _set_up(read.cue)
        try:
            question.play(made, read.question)
        except BaseException:
            made.close()
            raise
        made.fresh = ()
        return made

    return _begin(read, set_up, Asked(read.question))


@area.page("/rehearse/phone", May.REHEARSE, post=True)
def phone() -> AnyResponse | tuple[str, int]:
    read = _sent()
    if read.cue is None:
        return _index(read.form, read), 422

    def set_up() -> Scene:
        made = _set_up(read.cue)
        try:
            acts.act(made, {"do": "call"})
        except BaseException:
            made.close()
            raise
        return made

    return _begin(read, set_up, None)


@area.page("/rehearse/play", May.REHEARSE, post=True)
def play() -> AnyResponse | tuple[str, int]:
    configuration = house().configuration
    text = _file()
    read = Beginning({**beginning.first(configuration, {}), "text": text}, frozenset())
    lines = tuple(text.splitlines())
    if not text.strip() or len(lines) > MOST_LINES or "\x00" in text:
        read.wrong["text"] = "rehearse.wrong-no-file" if not text.strip() else "rehearse.wrong-long-file"
        return _index(read.form, read), 422
    try:
        begins = scene.begins(text, configuration)
    except BadCallFile as error:
        read.wrong["text"] = "rehearse.wrong-line"
        read.form |= {"line": str(error.number), "line-text": lines[error.number - 1].strip()[:200]}
        return _index(read.form, read), 422
    cue = Cue(begins or at(), configuration.our_numbers[0], UNKNOWN)
    went = Played(lines)

    def set_up() -> Scene:
        nonlocal went
        made = _set_up(cue)
        try:
            scene.play(made, text, "call")
        except Mismatch as error:
            went = Played(lines, error.line)
        except BaseException:
            made.close()
            raise
        made.fresh = ()
        return made

    try:
        underway = store().begin(user().id, at(), set_up)
    except TooMany as error:
        return _index(read.form, read, refused=f"rehearse.too-many-{error.whose}"), 422
    except (NeverSettles, ValueError, OverflowError):
        read.wrong["text"] = "rehearse.wrong-file"
        return _index(read.form, read), 422
    underway.told = went
    return to("rehearse.show", key=underway.key)


# -- one under way -----------------------------------------------------------------------------


@area.page("/rehearse/<key>", May.REHEARSE)
def show(key: str) -> str:
    return _page(_found(key))


@area.page("/rehearse/<key>/do", May.REHEARSE, post=True)
def do(key: str) -> AnyResponse | str | tuple[str, int]:
    return _moved(key, request.form)


@area.page("/rehearse/<key>/tick", May.REHEARSE, post=True, polled=True)
def tick(key: str) -> AnyResponse | str | tuple[str, int]:
    """Time that goes by while nobody does anything: it keeps nothing alive."""
    given = request.form.get("n", "1")
    seconds = min(int(given), FASTEST) if given.isascii() and given.isdigit() else 1
    return _moved(key, {"do": f"pass {seconds}"}, used=False)


@area.page("/rehearse/<key>/save", May.REHEARSE)
def save(key: str) -> Response:
    """Everything that happened, as a test."""
    with _found(key).held() as made:
        text = made.as_test()
        day = made.stage.session.now.astimezone(house().configuration.zone)
    heading = f"# {words()('rehearse.saved-by')}\n"
    name = f"rehearsal-{day:%Y-%m-%d-%H%M}.call"
    return Response(
        heading + text,
        mimetype="text/plain",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@area.page("/rehearse/<key>/end", May.REHEARSE, post=True)
def end(key: str) -> AnyResponse:
    store().end(_found(key))
    return to("rehearse.index", "rehearse.ended")


# -- inside ------------------------------------------------------------------------------------


def _found(key: str, *, used: bool = True) -> Underway:
    """The user's own. Raises NotFound, also for somebody else's."""
    found = store().find(key, user().id, at(), used=used)
    if found is None:
        raise NotFound
    return found


def _moved(key: str, form: Mapping[str, str], *, used: bool = True) -> AnyResponse | str | tuple[str, int]:
    """Make one move, and show what it brought."""
    refused = ""
    try:
        underway = _found(key, used=used)
        with underway.held() as made:
            acts.act(made, form)
    except (NotFound, LookupError):
        if is_fragment():  # the page does not know yet that it is over
            return Response("", 204, {"HX-Redirect": url_for("rehearse.index", m="rehearse.over")})
        raise NotFound from None
    except NotNow as error:
        refused = words()(f"rehearse.{error.why}")
    except Busy:
        refused = words()("rehearse.busy")
    if is_fragment():
        return _page(underway, refused, "rehearse/_scene.html")
    if refused:
        return _page(underway, refused), 422
    return to("rehearse.show", key=key)


def _page(underway: Underway, refused: str = "", template: str = "rehearse/show.html") -> str:
    with reading() as connection:
        known = people(connection)
    try:
        with underway.held() as made:
            told = underway.told
            return page(
                template,
                underway=underway,
                scene=made,
                session=made.stage.session,
                shown=shown(made, words(), known),
                answer=answer(made, words(), known) if isinstance(told, Asked) else None,
                played=told if isinstance(told, Played) else None,
                not_now=refused,
            )
    except LookupError:
        raise NotFound from None


def _index(form: dict[str, str], read: Beginning | None = None, refused: str = "") -> str:
    configuration = house().configuration
    number = form["number"] if form["number"] in configuration.our_numbers else configuration.our_numbers[0]
    with reading() as connection:
        found = beginning.offered(connection, configuration, at(), number)
        known = people(connection)
    form = beginning.on_form(found, form)
    return page(
        "rehearse/index.html",
        form=form,
        found=found,
        people=known,
        label=beginning.label,
        absent=read.absent if read else frozenset(),
        wrong=read.wrong if read else {},
        twice=read.twice if read else [],
        numbers=configuration.number,
        levels=configuration.urgency.level,
        underway=store().of_user(user().id),
        refused=words()(refused) if refused else "",
        **_outlook({**form, "number": number}),
    )


def _outlook(form: Mapping[str, str]) -> dict[str, object]:
    """The moment the form names, what it meets, and the two it could be."""
    configuration = house().configuration
    into = Beginning(dict(form), frozenset())
    meant = beginning.instant(configuration, at(), form, into)
    found = outlook(configuration, house().database, form["number"], meant) if meant else None
    return {"meant": meant, "outlook": found, "either": into.twice, "which": form.get("which", "")}


def _sent() -> Beginning:
    with reading() as connection:
        return beginning.sent(connection, house().configuration, at())


def _set_up(cue: Cue | None) -> Scene:
    assert cue is not None
    return scene.set_up(house().configuration, house().database, cue, real_pins=user().may(May.ISSUE_PINS))


def _begin(read: Beginning, set_up: SetUp, told: object) -> AnyResponse | tuple[str, int]:
    try:
        underway = store().begin(user().id, at(), set_up)
    except TooMany as error:
        return _index(read.form, read, refused=f"rehearse.too-many-{error.whose}"), 422
    except (NeverSettles, NotNow):
        return _index(read.form, read, refused="rehearse.never-settles"), 422
    underway.told = told
    return to("rehearse.show", key=underway.key)


def _file() -> str:
    """The saved call that was sent: the file if there is one, else what was pasted."""
    sent = request.files.get("file")
    if sent is not None and sent.filename:
        raw = sent.stream.read(LONGEST_FILE + 1)
        return raw.decode("utf-8", "replace") if len(raw) <= LONGEST_FILE else "\x00"
    text = request.form.get("text", "").replace("\r\n", "\n")
    return text if len(text) <= LONGEST_FILE else "\x00"
