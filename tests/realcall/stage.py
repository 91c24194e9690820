"""Where a real call is played: the service in an installation of its own, the switch, a phone a person.

Every one is a process. A PIN is asked at any hour, so no clock is moved. Nobody answers at Twilio's REST
interface: text messages and calls that the program would place stay untold.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from acceptance.installation import ACCOUNT, PUBLIC_URL, TOKEN, Installation

from realcall.judge import Check
from realcall.processes import Gone, Program, played
from realcall.sound import Sound, join, read

OUR_NUMBER, CUSTOMER = "+390461825060", "+393471234567"
PEOPLE = {"anna": "+393331234501", "bruno": "+393331234502"}  # in the order in which they are rung
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
STARTS_WITHIN = 120  # seconds that the service may take, on a busy machine
DEADLINE = 300  # seconds for a call, everything included but the service's start


class Failed(Exception):
    """The call did not get to its end; says how far it came."""


class Stage:
    """One installation and one call in it. `sid` is the call's; `seconds`, how long it took."""

    def __init__(self, folder: Path, show: Callable[[str], None]) -> None:
        self.sid, self.seconds = "", 0.0
        self.folder = folder
        self.house = Installation(folder / "house")
        self.programs: dict[str, Program] = {}
        self._show, self._began = show, 0.0
        self._recorded: dict[str, list[Path]] = {}
        self._pin = _furnish(self.house)

    def play(self, act: Callable[[Stage], Awaitable[None]]) -> None:
        """Starts the service, plays `act`, stops everything. Raises Failed."""
        self.house.start(within=STARTS_WITHIN)
        try:
            played(self._played(act))
        finally:
            self.house.kill()

    async def _played(self, act: Callable[[Stage], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                await self._set_up()
                self._began = time.monotonic()
                await act(self)
                self.seconds = time.monotonic() - self._began
        except TimeoutError:
            raise Failed(f"not over within {DEADLINE} s; {self._state()}") from None
        except Gone as gone:
            raise Failed(str(gone)) from None
        finally:
            await asyncio.gather(*(program.stop() for program in self.programs.values()))

    # What an act is made of

    def show(self, text: str) -> None:
        self._show(f"{time.monotonic() - self._began:5.1f} s  {text}")

    async def call(self) -> None:
        """The customer calls our number, is answered, and records what he hears as "conversation"."""
        address = f"sip:{OUR_NUMBER}@{self._switch_at}"
        await self.programs["caller"].order(do="call", address=address)
        self.sid = (await self.programs["switch"].wait("called"))["sid"]
        await self.programs["caller"].wait("answered")
        self.show(f"the service answered {OUR_NUMBER}")
        await self.record("caller", "conversation")

    async def key_pin(self) -> None:
        """The customer keys his PIN, once the service listens."""
        await self.programs["switch"].wait("listens", party="caller")
        await self.programs["caller"].order(do="press", keys=self._pin + "#")
        self.show("the caller keys the PIN")

    async def record(self, who: str, name: str) -> None:
        """From now on a phone records as `name`; all of them, one after the other, are its recording."""
        program = self.programs[who]
        await program.order(do="record", **{"as": name})
        await program.wait("records", name=name)
        self._recorded.setdefault(who, []).append(self.folder / who / f"{name}.wav")

    async def listen(self, who: str, seconds: float) -> None:
        await self.programs[who].order(do="listen", seconds=seconds)
        await self.programs[who].wait("listened")

    # What is left of it

    def recorded(self, who: str, name: str) -> Sound:
        return read(self.folder / who / f"{name}.wav")

    def keep(self, folder: Path) -> list[Path]:
        """What each phone heard, as one file each in `folder`."""
        kept = [folder / f"{who}.wav" for who in self._recorded]
        for file, parts in zip(kept, self._recorded.values(), strict=True):
            join(parts, file)
        return kept

    def faults(self) -> list[Check]:
        """What the switch could not do, and whether the PIN stands anywhere but in the caller's fingers."""
        switch = self.programs["switch"].events
        failed = [each for each in switch if each["event"] == "failed"]
        told = [(name, json.dumps(program.events).encode()) for name, program in self.programs.items()]
        logs = [(file.name, file.read_bytes()) for file in self.folder.glob("*.log")]
        pin = self._pin.encode()
        complaints = [f"{name} {p.complaint}" for name, p in self.programs.items() if p.complaint]
        leaks = [where for where, what in (*self.house.files(), *told, *logs) if pin in what]
        return [
            Check("the switch found no fault", not failed, "none" if not failed else str(failed)),
            Check("every program ended well", not complaints, "all" if not complaints else str(complaints)),
            Check("the PIN stands nowhere", not leaks, "nowhere" if not leaks else ", ".join(leaks)),
        ]

    # Inside

    async def _set_up(self) -> None:
        """The phones first: the switch is told where they are."""
        numbers = {**PEOPLE, "caller": CUSTOMER}
        started = [self._start(who, "handset", number=number) for who, number in numbers.items()]
        places = dict(zip(numbers, await asyncio.gather(*started), strict=True))
        self._switch_at = await self._start(
            "switch",
            "switch",
            listener=self.house.listener,
            public_url=PUBLIC_URL,
            account=ACCOUNT,
            token=TOKEN,
            numbers=[OUR_NUMBER],
            phones={number: f"sip:{who}@{places[who]}" for who, number in PEOPLE.items()},
        )

    async def _start(self, name: str, module: str, **orders: Any) -> str:
        folder = self.folder / name
        folder.mkdir()
        program = self.programs[name] = Program(module, self.folder / f"{name}.log")
        await program.start(folder=str(folder), **orders)
        return str((await program.wait("ready"))["address"])

    def _state(self) -> str:
        """The last that each program said."""
        return "; ".join(f"{name}: {program.events[-5:]}" for name, program in self.programs.items())


def _furnish(house: Installation) -> str:
    """A customer, a rota, and hours in which a PIN is always asked. Returns the PIN."""
    house.ivr("init")
    house.configure()
    file = house.folder / "config.toml"
    days = ", ".join(f'"{day}"' for day in WEEK)
    text, found = re.subn(r"(?m)^closed_days = .*$", f"closed_days = [{days}]", file.read_text())
    assert found == 1, f"closed_days stands {found} times in the configuration"
    file.write_text(text)
    house.ivr("customer", "add", "ACME", "--contract-until", "none", "--phone", CUSTOMER)
    pin: str = house.json("pin", "issue", "ACME")["pin"]
    people = "".join(
        f'[[technician]]\nkey = "{who}"\nname = "{who.title()}"\nphone = "{number}"\n'
        for who, number in PEOPLE.items()
    )
    rungs = "".join(f'[[rota.rung]]\npeople = ["{who}"]\n' for who in PEOPLE)
    (house.folder / "rota.toml").write_text(f'{people}[[rota]]\nkey = "duty"\n{rungs}')
    house.ivr("rota", "apply", "rota.toml")
    return pin
