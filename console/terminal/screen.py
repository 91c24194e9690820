"""Draws the telephone. Presses no key and knows no clock: what it is given is what is seen."""

from __future__ import annotations

from datetime import timedelta

from rich import box
from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.phone import lines
from console.phone.events import CALLER, Heard
from console.rehearsing.pace import instant
from console.rehearsing.phones import Phone
from console.terminal.hands import Hands, caller_title

CALLER_STYLE, TECHNICIAN_STYLE, QUIET = "cyan", "magenta", "dim"
NARROWEST_PHONE = 15
PHONES_HEIGHT = 4
LANGUAGES = {"it": "Italian", "en": "English", "de": "German"}
LOOKS = {
    "quiet": QUIET,
    "ringing": "yellow",
    "listening": TECHNICIAN_STYLE,
    "connected": "green",
    "over": QUIET,
}
LIVE = (
    "Calls, wrong PINs and cases count. The technicians are played here and nobody real is rung; "
    "a case left open is pursued."
)
COPY = "A throwaway copy: the same rules, rota and customers, other PINs. Nobody real is rung."
Keys = tuple[tuple[str, str], ...]
RINGING: Keys = (
    ("a", "answers"),
    ("d", "declines"),
    ("n", "no answer"),
    ("b", "busy"),
    ("v", "voicemail"),
    ("f", "fails"),
    ("h", "hang up"),
)
HELP: dict[str, Keys] = {
    "rest": (
        ("Enter", "dials"),
        ("← →", "caller"),
        ("f", "find a caller"),
        ("↑ ↓", "number"),
        ("q", "quit"),
    ),
    "gathering": (
        ("0-9 * #", "keys"),
        ("p", "PIN of …"),
        ("space", "silence"),
        ("h", "hang up"),
        ("q", "quit"),
    ),
    "ringing": RINGING,
    "whispering": (
        ("1", "accepts"),
        ("2", "passes"),
        ("9", "again"),
        ("space", "silence"),
        ("x", "hang up"),
        ("h", "caller hangs up"),
    ),
    "bridged": (
        ("space", "a minute passes"),
        ("x", "technician hangs up"),
        ("h", "caller hangs up"),
        ("q", "quit"),
    ),
    "recording": (
        ("m", "speaks 10 s"),
        ("#", "ends it"),
        ("space", "silence"),
        ("h", "hang up"),
        ("q", "quit"),
    ),
    "ended": (("Enter", "another call"), ("q", "quit")),
    "chooser": (("type", "to find"), ("↑ ↓", "move"), ("Enter", "takes it"), ("Esc", "back")),
}


def draw(hands: Hands, console: Console, frame: int) -> RenderableType:
    """The whole screen, as large as `console`. `frame` counts up and moves what moves."""
    width, height = console.size
    tall = height >= 30
    layout = Layout()
    layout.split_column(
        Layout(_header(hands), size=2, name="header"),
        Layout(_main(hands, console, width, 11 if tall else 9), size=11 if tall else 9),
        Layout(_phones(hands, width, frame), size=PHONES_HEIGHT),
        Layout(_history(hands, max(height - 2 - (11 if tall else 9) - PHONES_HEIGHT - 2, 1), tall)),
        Layout(_footer(hands), size=2),
    )
    return layout


# -- the head -----------------------------------------------------------------------------------


def _header(hands: Hands) -> RenderableType:
    session = hands.session
    # The clock keeps step with the voice.
    behind = hands.unsaid and not session.live
    now = instant(hands.sentences, hands.position) if behind else session.now
    now += timedelta(seconds=0 if session.live else session.spoken)
    local = now.astimezone(hands.stage.configuration.zone)
    who = Text("  ")
    if hands.at_rest:
        who.append("after-hours telephone", style="bold")
    else:
        who.append(_caller(hands), style=f"bold {CALLER_STYLE}")
        who.append("  ▸  ", style=QUIET)
        number = next((c.title for c in hands.stage.numbers if c.name == hands.dial.number), "")
        who.append(number, style="bold")
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    tag = (
        Text(f" LIVE {hands.stage.service} ", style="bold white on red")
        if hands.stage.service
        else Text("rehearsal", style="green")
    )
    clock = Text.assemble(
        (f"{local:%a %d %b %Y}  ", QUIET), (f"{local:%H:%M:%S}", "bold"), ("  ", ""), tag, ("  ", "")
    )
    grid.add_row(who, clock)
    return Group(grid, Text())


def _caller(hands: Hands) -> str:
    return caller_title(hands.stage, hands.dial.caller)


# -- what is heard --------------------------------------------------------------------------------


def _main(hands: Hands, console: Console, width: int, height: int) -> RenderableType:
    if hands.chooser is not None:
        return _chooser(hands, height)
    if hands.at_rest:
        return _at_rest(hands)
    if hands.session.state == "ended" and not hands.speaking:
        return _over(hands)
    return _hearing(hands, console, width, height)


def _hearing(hands: Hands, console: Console, width: int, height: int) -> RenderableType:
    status = _status(hands)
    text = Text()
    party, language = CALLER, ""
    # Once they talk to each other the program has nothing more to say.
    talking = hands.session.state == "bridged" and not hands.speaking
    for sentence in () if talking else hands.sentences:
        begun = hands.position >= sentence.begins
        if sentence.heard.party != party:
            if text.plain and not begun:
                break  # what the next one hears is not shown before its time
            text, party = Text(), sentence.heard.party
        if begun:
            language = sentence.heard.language
        if text.plain:
            text.append(" ")
        said = sentence.said(hands.position)
        text.append(said, style="" if hands.position >= sentence.ends else "bold")
        text.append(sentence.heard.text[len(said) :], style=QUIET)
    body: RenderableType
    if text.plain:
        wrapped = list(text.wrap(console, width - 6))[-(height - 4) :]
        body = Group(*wrapped, *[Text()] * (height - 3 - len(wrapped)), status)
    else:
        body = Align.center(status, vertical="middle", height=height - 2)
    who, style = _who_hears(hands, party)
    names = LANGUAGES.get(language.partition("-")[0], language)
    return Panel(
        body,
        title=Text(f" {who} ", style=f"bold {style}"),
        title_align="left",
        subtitle=Text(f" {names} ", style=QUIET) if names else None,
        subtitle_align="right",
        border_style=style,
        box=box.HEAVY if hands.selected is None else box.ROUNDED,
        padding=(0, 2),
        height=height,
    )


def _who_hears(hands: Hands, party: str) -> tuple[str, str]:
    if party == CALLER and hands.session.state == "bridged":
        return "the two are connected", "green"
    if party == CALLER:
        return f"{_caller(hands)} hears", CALLER_STYLE
    name = next((p.person.name for p in hands.phones if p.person.phone == party), party)
    return f"{name} hears", TECHNICIAN_STYLE


def _status(hands: Hands) -> Text:
    session = hands.session
    match session.state:
        case "gathering":
            asked = session.asked()
            if asked is None or asked.one_key:
                return Text("waits for one key", style=QUIET)
            return Text.assemble(("keys  ", QUIET), (" ".join(session.pad), "bold yellow"), ("▁", "blink"))
        case "ringing":
            return Text("the caller hears it ring", style=QUIET)
        case "whispering":
            return Text("waits for a key of this phone; the caller still hears it ring", style=QUIET)
        case "recording":
            clock = f"{session.spoken // 60}:{session.spoken % 60:02}"
            return Text.assemble(("● ", "bold red"), "the message is being recorded  ", (clock, "bold"))
        case "bridged":
            return Text("they talk to each other", style="green")
        case _:
            return Text("the call is over", style=QUIET)


def _at_rest(hands: Hands) -> RenderableType:
    stage, session = hands.stage, hands.session
    hours, duty = hands.outlook
    caller = next((c for c in stage.callers if c.name == hands.dial.caller), None)
    number = next(c for c in stage.numbers if c.name == hands.dial.number)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=QUIET, justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    from_ = Text(_caller(hands), style=f"bold {CALLER_STYLE}")
    from_.append(f"   {caller.detail}" if caller and caller.detail else "", style=QUIET)
    grid.add_row("from", from_)
    grid.add_row("to", Text.assemble((number.title, "bold"), (f"   {number.detail}", QUIET)))
    grid.add_row("now", hours)
    grid.add_row("", duty)
    note = Text(LIVE, style="red") if session.live else Text(COPY, style=QUIET)
    return Panel(
        Group(grid, Text(), note),
        title=Text(" a call ", style="bold"),
        title_align="left",
        border_style=CALLER_STYLE,
        padding=(0, 2),
    )


def _over(hands: Hands) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=QUIET, justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    if hands.summary is None:
        grid.add_row("", "the journal knows nothing of this call")
    else:
        for name, value in hands.summary.lines(hands.stage.configuration.zone):
            grid.add_row(name, Text(value, style="bold" if name == "outcome" else ""))
    return Panel(grid, title=Text(" the call is over ", style="bold"), title_align="left", border_style=QUIET)


def _chooser(hands: Hands, height: int) -> RenderableType:
    chooser = hands.chooser
    assert chooser is not None
    found, marked = chooser.matching, chooser.marked
    room = height - 4
    place = found.index(marked) if marked is not None else 0
    shown = found[max(place - room + 1, 0) :][:room]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_column(style=QUIET, no_wrap=True)
    for choice in shown:
        here = choice == marked
        grid.add_row("▸" if here else "", Text(choice.title, style="bold" if here else ""), choice.detail)
    if not shown:
        grid.add_row("", Text("nobody is called that", style=QUIET), "")
    typed = Text.assemble((chooser.typed, "bold yellow"), ("▁", "blink"))
    return Panel(
        Group(typed, Text(), grid),
        title=Text(f" {chooser.title} ", style="bold yellow"),
        title_align="left",
        border_style="yellow",
        padding=(0, 2),
    )


# -- the phones, what happened, the keys -----------------------------------------------------------


def _phones(hands: Hands, width: int, frame: int) -> RenderableType:
    phones = hands.phones
    room = max((width - 2) // NARROWEST_PHONE, 1)
    if len(phones) > room:  # whoever is rung comes first, the others as far as there is room
        busy = [phone for phone in phones if phone.state != "quiet"]
        kept = (busy + [phone for phone in phones if phone.state == "quiet"])[:room]
        phones = [phone for phone in phones if phone in kept]
    grid = Table.grid(expand=True)
    for _ in phones:
        grid.add_column(ratio=1)
    if phones:
        grid.add_row(*(_phone(hands, phone, frame) for phone in phones))
    return grid


def _phone(hands: Hands, phone: Phone, frame: int) -> Panel:
    selected = hands.selected == phone.person.key
    style = LOOKS[phone.state]
    match phone.state:
        case "ringing":
            what = Text("♪ rings" if frame % 2 else "  rings", style="bold yellow")
        case "listening":
            what = Text("picked up", style=f"bold {style}")
        case "connected":
            since = phone.since or hands.session.now
            seconds = max(int((hands.session.now - since).total_seconds()), 0)
            what = Text(f"● {seconds // 60}:{seconds % 60:02}", style="bold green")
        case "over":
            what = Text(phone.note, style="default")
        case _:
            what = Text("quiet", style=QUIET)
    number = Text(phone.person.phone, style=QUIET, no_wrap=True, overflow="ellipsis")
    return Panel(
        Group(what, number),
        title=Text(phone.person.name.split()[0], style="bold" if phone.state != "quiet" else QUIET),
        title_align="left",
        border_style=style,
        box=box.HEAVY if selected else box.ROUNDED,
        padding=(0, 1),
        height=PHONES_HEIGHT,
    )


def _history(hands: Hands, height: int, spaced: bool) -> RenderableType:
    events = hands.session.events
    if hands.unsaid:
        # What is still being said stands above; here it is told once it was heard.
        unsaid = {id(s.heard) for s in hands.sentences if s.ends > hands.position}
        events = [event for event in events if not (isinstance(event, Heard) and id(event) in unsaid)]
    told = list(lines(events, hands.session.cast))
    shown = told[-(height - 1 if spaced else height) :]
    rows: list[RenderableType] = [Text()] if spaced else []
    for count, line in enumerate(shown, start=1):
        clock, _, rest = line.partition("  ")
        row = Text(no_wrap=True, overflow="ellipsis")
        row.append(f"  {clock}  ", style=QUIET)
        row.append(rest, style="" if count == len(shown) else "dim")
        rows.append(row)
    return Group(*rows)


def _footer(hands: Hands) -> RenderableType:
    state = "chooser" if hands.chooser else "rest" if hands.at_rest else hands.session.state
    keys = Text("  ", no_wrap=True, overflow="ellipsis")
    shown = list(HELP[state])
    if state == "rest" and not hands.session.live:
        shown.insert(-1, ("space", "+10 min"))
    if state == "bridged" and hands.session.live:
        shown = [each for each in shown if each[0] != "space"]
    if len(hands.session.ringing) > 1:
        shown.insert(0, ("Tab", "which"))
    for key, what in shown:
        keys.append(key, style="bold reverse" if len(key) == 1 else "bold")
        keys.append(f" {what}  ", style=QUIET)
    message = Text(f"  {hands.message}", style="yellow", no_wrap=True, overflow="ellipsis")
    return Group(message, keys)
