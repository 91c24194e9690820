"""What a button of a rehearsal does. Each holds an order, most of them those of the terminal's telephone:

    1 · p acme · PIN wrong · wait · h · anna answers · anna 1 · anna hangs up · speak 12
    call                the same caller phones the same number again
    pass 30             time goes by, and the worker works meanwhile
    talk 4              they talk on for 4 minutes
    own answers         the caller's phone, which the program rings
    text anna           a text message, in the field `words`

{n} in an order is the field `n`; several orders are parted by `;`. Keys come in the field `keys`, one by one:
`who` is whose, nobody's name for the caller's, and `after` when the first of them stopped the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from console.phone import OutOfTurn
from console.phone.exchange import NeverSettles
from console.rehearsing.orders import NotUnderstood, Quit, obey
from console.rehearsing.scene import Scene
from console.rehearsing.session import ACTS

LONGEST = 24 * 3600
LONGEST_TEXT = 300
MOST_KEYS = 40


class NotNow(Exception):
    """It is not possible at this moment; `why` is the text that says so."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def act(scene: Scene, form: Mapping[str, str]) -> None:
    """Do what a form asks, as one move. Raises NotNow; what was possible before it stands."""
    try:
        with scene.moving():
            if keys := form.get("keys", ""):
                _press(scene, keys, form.get("who") or None, form.get("after", ""))
                return
            for order in form.get("do", "").replace("{n}", str(_number(form))).split(";"):
                _obey(scene, order.strip(), form)
    except OutOfTurn:
        raise NotNow("not-now") from None
    except (NotUnderstood, Quit):
        raise NotNow("not-understood") from None
    except LookupError:
        raise NotNow("nobody") from None
    except NeverSettles:
        raise NotNow("never-settles") from None


def tick(scene: Scene, seconds: int) -> None:
    """Time that goes by on its own."""
    act(scene, {"do": f"pass {seconds}"})


def _obey(scene: Scene, order: str, form: Mapping[str, str]) -> None:
    session = scene.stage.session
    if passes := re.fullmatch(r"pass ([0-9]{1,6})", order):
        scene.let_pass(min(int(passes[1]), LONGEST))
    elif talk := re.fullmatch(r"talk ([0-9]{1,6})", order):
        with session.moving():
            session.exchange.clock.forward(seconds=min(int(talk[1]) * 60, LONGEST))
    elif texts := re.fullmatch(r"text (\S+)", order):
        words = " ".join(form.get("words", "").split())[:LONGEST_TEXT]
        if not words:
            raise NotNow("no-words")
        session.texts(texts[1], words)
    elif own := re.fullmatch(r"own (.+)", order):
        # The caller's own phone, which the program rings: no order of the terminal's means it.
        name = scene.caller.key
        if own[1] == "hangs up":
            session.leaves(name)
        elif own[1] in ACTS:
            session.does(name, own[1])
        else:
            raise NotUnderstood
    elif order in ("", "call"):
        session.dial(scene.cue.caller, scene.cue.number)
    else:
        obey(scene.stage, order, caller=scene.cue.caller, number=scene.cue.number)


def _press(scene: Scene, keys: str, who: str | None, after: str) -> None:
    """One key after the other, as fingers do it."""
    if not re.fullmatch(rf"[0-9*#]{{1,{MOST_KEYS}}}", keys):
        raise NotUnderstood
    seconds = float(after) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", after) else None
    for key in keys:
        scene.stage.session.key(key, who, after=seconds)
        seconds = None


def _number(form: Mapping[str, str]) -> int:
    given = form.get("n", "")
    return min(int(given), LONGEST) if re.fullmatch(r"[0-9]{1,6}", given) else 0
