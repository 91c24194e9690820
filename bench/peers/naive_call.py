"""The same conversation written the obvious way: an ORM on the path, objects changed, a commit a row.

It is correct as far as a quiet night goes, and no worse than what a tutorial leads to: each request loads
the call, follows its relations, changes objects and commits after each. It has none of what the house does
beside: nothing is answered again, nobody is pursued, no address carries anything sealed, two at once may get
in each other's way. So what it costs more is the way it is written alone.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from call_house import Customer as Known
from flask import Flask, Response, abort, request
from sqlalchemy import ForeignKey, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import VoiceResponse

from console.settings import Configuration

log = logging.getLogger("naive")
VOICE = {"voice": "Polly.Bianca-Neural", "language": "it-IT"}
MOST_WRONG = 20


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    pins: Mapped[list[Pin]] = relationship(back_populates="customer")


class Pin(Base):
    __tablename__ = "pin"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    last_used: Mapped[datetime | None]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer] = relationship(back_populates="pins")


class Technician(Base):
    __tablename__ = "technician"
    id: Mapped[int] = mapped_column(primary_key=True)
    rung: Mapped[int]
    name: Mapped[str]
    phone: Mapped[str]


class Call(Base):
    __tablename__ = "call"
    sid: Mapped[str] = mapped_column(primary_key=True)
    caller: Mapped[str]
    step: Mapped[str]
    started: Mapped[datetime]
    ended: Mapped[datetime | None]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer | None] = relationship()
    turns: Mapped[list[TurnTaken]] = relationship(back_populates="call", order_by="TurnTaken.id")
    case: Mapped[Case | None] = relationship(back_populates="call")


class TurnTaken(Base):
    __tablename__ = "turn"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    heard: Mapped[str]
    said: Mapped[str]
    call_sid: Mapped[str] = mapped_column(ForeignKey("call.sid"), index=True)
    call: Mapped[Call] = relationship(back_populates="turns")


class WrongPin(Base):
    __tablename__ = "wrong_pin"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    caller: Mapped[str]


class Case(Base):
    __tablename__ = "case"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str]
    urgency: Mapped[str]
    opened: Mapped[datetime]
    connected: Mapped[datetime | None]
    call_sid: Mapped[str] = mapped_column(ForeignKey("call.sid"), index=True)
    call: Mapped[Call] = relationship(back_populates="case")
    attempts: Mapped[list[Attempt]] = relationship(back_populates="case", order_by="Attempt.id")


class Attempt(Base):
    __tablename__ = "attempt"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    result: Mapped[str | None]
    technician_id: Mapped[int] = mapped_column(ForeignKey("technician.id"))
    technician: Mapped[Technician] = relationship()
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"), index=True)
    case: Mapped[Case] = relationship(back_populates="attempts")


def fill(folder: Path, customers: Sequence[Known]) -> None:
    """Make its database, in the folder of the configuration that it will be started with."""
    engine = create_engine(f"sqlite:///{folder / 'naive.db'}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for number, each in enumerate(customers):
            pin = Pin(digest=_digest(each.pin))
            session.add(Customer(name=f"Ditta {number}", pins=[pin]))
        for rung, name in enumerate(("Anna", "Bruno"), start=1):
            session.add(Technician(rung=rung, name=name, phone=f"+39333123450{rung}"))
        session.commit()
    engine.dispose()


def _digest(pin: str) -> str:
    return hashlib.sha256(pin.encode()).hexdigest()


def make(configuration: Configuration) -> Flask:
    engine = create_engine(f"sqlite:///{configuration.folder / 'naive.db'}")
    event.listen(engine, "connect", _as_safe)
    app = Flask("naive", static_folder=None)
    validator = RequestValidator(configuration.twilio.auth_tokens[0].get_secret_value())
    public = configuration.service.public_url

    @app.before_request
    def believe() -> None:
        if request.method == "GET":
            return
        address = public + request.full_path.removesuffix("?")
        if not validator.validate(address, request.form, request.headers.get("X-Twilio-Signature", "")):
            abort(403)

    @app.get("/healthz")
    def healthz() -> str:
        return "ok\n"

    @app.post("/voice")
    def arrive() -> Response:
        with Session(engine) as session:
            call = Call(
                sid=request.form["CallSid"],
                caller=request.form["From"],
                step="pin",
                started=datetime.now(UTC),
            )
            session.add(call)
            session.commit()
            return _said(session, call, "arrived", _ask_pin("Buonasera. Digiti il suo PIN di otto cifre."))

    @app.post("/voice/turn")
    def turn() -> Response:
        with Session(engine) as session:
            call = session.get_one(Call, request.form["CallSid"])
            match call.step:
                case "pin":
                    return _pin(session, call, request.form.get("Digits", ""))
                case "urgency":
                    return _urgency(session, call)
                case "accepted":
                    return _ring(session, call)
                case _:
                    return _rung(session, call, request.form)

    @app.post("/voice/technician")
    def technician() -> Response:
        with Session(engine) as session:
            call = session.get_one(Call, request.form["ParentCallSid"])
            assert call.case is not None
            assert call.customer is not None
            if request.form.get("Digits") == "1":
                call.case.attempts[-1].result = "accepted"
                session.commit()
                return _said(session, call, "accepted", VoiceResponse())
            response = VoiceResponse()
            gather = response.gather(
                action="/voice/technician", num_digits=1, timeout=10, finish_on_key="", method="POST"
            )
            gather.say(f"{call.customer.name}, {call.case.urgency}, codice {call.case.code}.", **VOICE)
            gather.say("Prema 1 per accettare.", **VOICE)
            response.hangup()
            return _said(session, call, "picked up", response)

    @app.post("/voice/status")
    def status() -> Response:
        with Session(engine) as session:
            session.get_one(Call, request.form["CallSid"]).ended = datetime.now(UTC)
            session.commit()
        return Response(status=204)

    return app


def _as_safe(connection: object, record: object) -> None:
    """Commits are as safe as the house's."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")


def _said(session: Session, call: Call, heard: str, response: VoiceResponse) -> Response:
    document = str(response)
    call.turns.append(TurnTaken(at=datetime.now(UTC), heard=heard, said=document))
    session.commit()
    return Response(document, content_type="text/xml; charset=utf-8")


def _ask_pin(text: str) -> VoiceResponse:
    response = VoiceResponse()
    gather = response.gather(
        action="/voice/turn", num_digits=8, timeout=8, action_on_empty_result=True, method="POST"
    )
    gather.say(text, **VOICE)
    return response


def _wait(text: str) -> VoiceResponse:
    response = VoiceResponse()
    gather = response.gather(
        action="/voice/turn", num_digits=1, timeout=1, action_on_empty_result=True, method="POST"
    )
    gather.say(text, **VOICE)
    return response


def _pin(session: Session, call: Call, digits: str) -> Response:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    wrong = session.scalar(select(func.count()).select_from(WrongPin).where(WrongPin.at > an_hour_ago))
    found = session.scalars(select(Pin).where(Pin.digest == _digest(digits))).one_or_none()
    if found is None:
        log.warning("call %s: a wrong PIN, the %dth within the hour", call.sid, (wrong or 0) + 1)
        session.add(WrongPin(at=datetime.now(UTC), caller=call.caller))
        session.commit()
        return _said(session, call, "wrong PIN", _ask_pin("Il PIN non è corretto. Lo digiti di nuovo."))
    found.last_used = datetime.now(UTC)
    session.commit()
    call.customer = found.customer
    session.commit()
    call.step = "urgency"
    session.commit()
    response = VoiceResponse()
    gather = response.gather(
        action="/voice/turn", num_digits=1, timeout=8, action_on_empty_result=True, method="POST"
    )
    gather.say("Grazie. Se una risorsa importante è bloccata, prema 1.", **VOICE)
    gather.say("Se è bloccata in parte, prema 3. Per altro, prema 4.", **VOICE)
    return _said(session, call, "right PIN", response)


def _urgency(session: Session, call: Call) -> Response:
    code = f"{random.randrange(10_000):04d}"
    session.add(Case(code=code, urgency="P1+", opened=datetime.now(UTC), call=call))
    session.commit()
    call.step = "accepted"
    session.commit()
    return _said(session, call, "P1+", _wait(f"La pratica ha il codice {code}. Chiamiamo il tecnico."))


def _ring(session: Session, call: Call) -> Response:
    assert call.case is not None
    tried = {attempt.technician_id for attempt in call.case.attempts}
    everybody = session.scalars(select(Technician).order_by(Technician.rung)).all()
    next_one = next((each for each in everybody if each.id not in tried), everybody[0])
    session.add(Attempt(at=datetime.now(UTC), technician=next_one, case=call.case))
    session.commit()
    call.step = "ringing"
    session.commit()
    response = VoiceResponse()
    dial = response.dial(
        action="/voice/turn", timeout=20, answer_on_bridge=True, ring_tone="it", method="POST"
    )
    dial.number(next_one.phone, url="/voice/technician", method="POST")
    return _said(session, call, "waits", response)


def _rung(session: Session, call: Call, form: dict[str, str]) -> Response:
    assert call.case is not None
    attempt = call.case.attempts[-1]
    if attempt.result == "accepted":
        call.case.connected = datetime.now(UTC)
        session.commit()
        attempt.result = "connected"
        session.commit()
        response = VoiceResponse()
        response.hangup()
        return _said(session, call, "talked", response)
    attempt.result = form.get("DialCallStatus", "failed")
    session.commit()
    call.step = "accepted"
    session.commit()
    return _said(session, call, attempt.result, _wait("Non risponde. Chiamiamo il prossimo tecnico."))
