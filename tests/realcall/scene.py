"""The call: a customer, a switch, two technicians, each a process; the real service between them.

    anna is rung first, picks up, listens and passes (2); bruno is rung next and accepts (1).

The caller makes a tone from the moment phones ring, bruno from the moment he picks up, and both record what
they hear. Each recording is cut at the key and at the bridge, on order and before the key is pressed, so that
nothing of what came after can be in what was heard before.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from acceptance.installation import ACCOUNT, PUBLIC_URL, TOKEN, Installation
from acceptance.rest_server import Network, serving

from realcall import judge
from realcall.processes import Gone, Program
from realcall.sound import join, read

OUR_NUMBER, CUSTOMER = "+390461825060", "+393471234567"
ANNA, BRUNO = "+393331234501", "+393331234502"
P1, ACCEPT, PASS = "2", "1", "2"
CALLERS_TONE, TECHNICIANS_TONE = 600, 1000  # Hz
TALK = 3.0  # seconds that are recorded of it
DEADLINE = 150  # seconds for the call, everything included
ROTA = f"""
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "{ANNA}"
[[technician]]
key = "bruno"
name = "Bruno Neri"
phone = "{BRUNO}"
[[rota]]
key = "duty"
  [[rota.rung]]
  people = ["anna"]
  [[rota.rung]]
  people = ["bruno"]
"""
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Story:
    """What is left of the call: what was found, and how long the call took."""

    checks: list[judge.Check]
    seconds: float

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


class Failed(Exception):
    """The call did not get to its end; says how far it came."""


def play(folder: Path, show: Callable[[str], None]) -> Story:
    """One call in an installation of its own under `folder`, where the recordings stay. Raises Failed."""
    house = Installation(folder / "house")
    with ExitStack() as afterwards:
        afterwards.callback(house.kill)
        port = afterwards.enter_context(serving(Network(lambda: datetime.now(UTC))))
        pin = _furnish(house, port)
        house.start()
        scene = _Scene(folder, house, pin, show)
        asyncio.run(scene.played())
        shown = house.json("call", "show", scene.sid)
        case = house.json("case", "show", shown["case"]) if shown["case"] else {}
        house.stop()
    return Story(scene.heard() + _written(scene, shown, case), scene.seconds)


def _furnish(house: Installation, port: int) -> str:
    """A customer, a rota, and hours in which a PIN is always asked. Returns the PIN."""
    house.ivr("init")
    house.configure()
    file = house.folder / "config.toml"
    text = file.read_text()
    for key, value in (
        ("closed_days", "[" + ", ".join(f'"{day}"' for day in WEEK) + "]"),
        ("api_base", f'"http://127.0.0.1:{port}"'),
    ):
        text, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert found == 1, f"{key} stands {found} times in the configuration"
    file.write_text(text)
    house.ivr("customer", "add", "ACME", "--contract-until", "none", "--phone", CUSTOMER)
    pin: str = house.json("pin", "issue", "ACME")["pin"]
    (house.folder / "rota.toml").write_text(ROTA)
    house.ivr("rota", "apply", "rota.toml")
    return pin


class _Scene:
    def __init__(self, folder: Path, house: Installation, pin: str, show: Callable[[str], None]) -> None:
        self.sid, self.seconds = "", 0.0
        self._folder, self._house, self._pin, self._show = folder, house, pin, show
        self._programs: dict[str, Program] = {}

    async def played(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE):
                try:
                    await self._call(began)
                finally:
                    await asyncio.gather(*(program.stop() for program in self._programs.values()))
        except TimeoutError:
            raise Failed(f"not over within {DEADLINE} s; {self._state()}") from None
        except Gone as gone:
            raise Failed(str(gone)) from None
        self.seconds = time.monotonic() - began

    async def _call(self, began: float) -> None:
        def show(text: str) -> None:
            self._show(f"{time.monotonic() - began:5.1f} s  {text}")

        anna, bruno = await self._phone("anna", ANNA), await self._phone("bruno", BRUNO)
        caller = await self._phone("caller", CUSTOMER)
        phones = {ANNA: anna[1], BRUNO: bruno[1]}
        switch, address = await self._switch({n: f"sip:{n}@{at}" for n, at in phones.items()})
        customer, first, second = caller[0], anna[0], bruno[0]

        await customer.order(do="call", address=f"sip:{OUR_NUMBER}@{address}")
        self.sid = (await switch.wait("called"))["sid"]
        await customer.wait("answered")
        show(f"the service answered {OUR_NUMBER}")
        await self._record("caller", "conversation")
        # Keyed over the welcome, as callers do who have heard it before.
        await switch.wait("listens", party="caller")
        await customer.order(do="press", keys=self._pin + "#")
        show("the caller keys the PIN")
        await switch.wait("listens", party="caller", keys=1)
        await customer.order(do="press", keys=P1)
        show("the caller keys P1")

        rung = await first.wait("rings")
        show(f"anna's phone rings and shows {rung['shows']}")
        await customer.order(do="tone", hz=CALLERS_TONE)
        await first.order(do="answer")
        await first.wait("answered")
        await switch.wait("listens", party=ANNA)
        await first.order(do="press", keys=PASS)
        await first.wait("ended")
        show("anna has passed")

        rung = await second.wait("rings")
        show(f"bruno's phone rings and shows {rung['shows']}")
        await second.order(do="answer")
        await second.wait("answered")
        await second.order(do="tone", hz=TECHNICIANS_TONE)
        await self._record("bruno", "before-the-key")
        await self._record("caller", "before-the-key")
        await switch.wait("said", party=BRUNO)  # the whole whisper
        await self._record("bruno", "after-the-key")
        await self._record("caller", "after-the-key")
        assert not switch.told("bridged"), "connected before anybody pressed a key"
        await second.order(do="press", keys=ACCEPT)
        show("bruno has heard who it is, and accepts")

        await switch.wait("bridged", phone=BRUNO)
        show("connected")
        await self._record("bruno", "talk")
        await self._record("caller", "talk")
        await customer.order(do="listen", seconds=TALK)
        await customer.wait("listened")
        await self._record("bruno", "end")
        await self._record("caller", "end")
        await second.order(do="hang up")
        # Both must have been told before the caller goes: Dial's action, then the number's status callback.
        await switch.wait("left", phone=BRUNO)
        await switch.wait("asked", status=200)
        await customer.order(do="hang up")
        await customer.wait("ended")
        over = await switch.wait("over", sid=self.sid)
        show(f"the call is over: {over['status']}")
        self.failures = [each for each in switch.events if each["event"] == "failed"]
        self.shows = rung["shows"]

    async def _phone(self, who: str, number: str) -> tuple[Program, str]:
        folder = self._folder / who
        folder.mkdir()
        return await self._started(who, "handset", number=number, folder=str(folder))

    async def _switch(self, phones: dict[str, str]) -> tuple[Program, str]:
        folder = self._folder / "switch"
        folder.mkdir()
        return await self._started(
            "switch",
            "switch",
            listener=self._house.listener,
            public_url=PUBLIC_URL,
            account=ACCOUNT,
            token=TOKEN,
            numbers=[OUR_NUMBER],
            phones=phones,
            folder=str(folder),
        )

    async def _started(self, name: str, module: str, **orders: Any) -> tuple[Program, str]:
        program = self._programs[name] = Program(module, self._folder / f"{name}.log")
        await program.start(**orders)
        return program, (await program.wait("ready"))["address"]

    async def _record(self, who: str, name: str) -> None:
        program = self._programs[who]
        await program.order(do="record", **{"as": name})
        await program.wait("records", name=name)

    def _state(self) -> str:
        """The last that each program said."""
        last = (f"{name}: {program.events[-3:]}" for name, program in self._programs.items())
        return "; ".join(last)

    def heard(self) -> list[judge.Check]:
        """What the two recordings tell. They are joined to one file each, to be listened to."""
        whole = {
            "caller": ("conversation", "before-the-key", "after-the-key", "talk", "end"),
            "bruno": ("before-the-key", "after-the-key", "talk", "end"),
        }
        for who, names in whole.items():
            join([self._folder / who / f"{name}.wav" for name in names], self._folder / f"{who}.wav")
        parts = {
            (who, name): read(self._folder / who / f"{name}.wav")
            for who, names in whole.items()
            for name in names
        }
        return [
            *judge.crossed(
                "the caller", TECHNICIANS_TONE, parts["caller", "before-the-key"], parts["caller", "talk"]
            ),
            *judge.crossed(
                "the technician", CALLERS_TONE, parts["bruno", "before-the-key"], parts["bruno", "talk"]
            ),
            judge.audible("the caller heard the prompts", parts["caller", "conversation"]),
            judge.audible("the technician heard who it is", parts["bruno", "before-the-key"]),
        ]


def _written(scene: _Scene, call: dict[str, Any], case: dict[str, Any]) -> list[judge.Check]:
    if not case:
        return [judge.Check("there is a case", False, "none")]
    return [
        *judge.written_down(call, case, [("anna", "declined"), ("bruno", "connected")]),
        judge.Check("the technician's phone shows our number", scene.shows == OUR_NUMBER, scene.shows),
        judge.Check("the switch found no fault", not scene.failures, str(scene.failures)),
    ]
