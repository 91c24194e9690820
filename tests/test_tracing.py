"""Traces of calls: what a real collector on this machine is sent, that nothing of anybody is in it, and that
a collector which is away or never answers costs spans and nothing else.
"""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from making import EXAMPLE, NIGHT, PEPPER, ROOT, SECOND_PEPPER, SECRETS, configuration, with_lines
from ports import nobody_listens
from scraping import Scraped

from console import settings
from console.processes.service import PARTS
from console.processes.worker import tick
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration, ConfigurationRefused
from console.watching import keeping, tracing
from console.watching.tracing import DROPPED, Told, Tracing
from ivr.tally import TALLY
from storage import due

Stage = Callable[..., Rehearsal]
CALLS = ROOT / "tests" / "calls"


@dataclass
class Collector:
    """What a collector was sent. While `answers` is not set it takes requests and says nothing."""

    address: str = ""
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    answers: threading.Event = field(default_factory=threading.Event)

    def spans(self) -> list[Any]:
        """Every span, as the protocol's own messages say it."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def told(span: Any) -> dict[str, Any]:
    """The attributes of a span."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@contextmanager
def collecting(*, silent: bool = False) -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.paths.append(self.path)
            collector.bodies.append(body)
            collector.came.release()
            collector.answers.wait()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if not silent:
        collector.answers.set()
    collector.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield collector
    finally:
        collector.answers.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kept in (TALLY._counts, TALLY._marks, TALLY._spans):
        kept.clear()
    # Nothing is sent but when a test says so.
    monkeypatch.setattr(Tracing, "begin", lambda self: None)
    yield
    tracing.end()


def with_collector(known: Configuration, address: str) -> Configuration:
    watching = known.watching.model_copy(update={"otlp": address})
    return known.model_copy(update={"watching": watching})


def libraries() -> None:
    """Skips where the extra is not installed."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra opentelemetry is missing")


def begun(known: Configuration, address: str, part: str = "webhooks") -> Tracing:
    libraries()
    found = tracing.begin(with_collector(known, address), part)
    assert found is not None
    return found


def played(stage: Stage, name: str) -> Rehearsal:
    house = stage()
    lines = (CALLS / f"{name}.call").read_text("utf-8").splitlines()
    house.play("\n".join(line for line in lines if not line.startswith(("* a PIN was wrong", "* work "))))
    return house


# -- what is sent --------------------------------------------------------------------------------


def test_a_trace_a_call_and_a_span_a_turn(stage: Stage, shipped_configuration: Configuration) -> None:
    """A technician's leg is of the caller's call; a callback has its span too."""
    with collecting() as collector:
        running = begun(shipped_configuration, collector.address)
        played(stage, "first-technician-accepts")
        running.send_waiting()
        assert collector.paths == ["/v1/traces"]
        spans = collector.spans()
    assert len({span.trace_id for span in spans}) == 1
    first = [span for span in spans if not span.parent_span_id]
    assert [(span.name, told(span)["ivr.to"]) for span in first] == [("caller: arrival", "pin")]
    assert {span.parent_span_id for span in spans} == {b"", first[0].span_id}
    assert len({span.span_id for span in spans}) == len(spans)
    turns = [told(span) for span in spans if span.name.startswith("caller: ") and "callback" not in span.name]
    assert [each["ivr.turn"] for each in turns] == [0, 1, 2, 3, 4, 5]
    assert [(each["ivr.from"], each["ivr.to"], each["ivr.said"]) for each in turns[:2] + turns[3:]] == [
        ("arrival", "pin", "gather"),
        ("pin", "urgency", "gather"),
        ("urgency", "accepted", "gather"),
        ("accepted", "ringing", "dial"),
        ("ringing", "ended", "hangup"),
    ]
    assert [each.get("ivr.pin") for each in turns].count("right") == 1
    assert {each["ivr.by"] for each in turns} == {"database"}
    assert {span.name for span in spans} >= {"technician: picked up", "technician: accepted"}
    for span in spans:
        known = told(span)
        lasted = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        assert 0 < known["ivr.database_ms"] < lasted
        assert 0 <= known["ivr.waited_ms"] < lasted
        assert span.status.code == 0


def test_whose_they_are(shipped_configuration: Configuration, stage: Stage) -> None:
    with collecting() as collector:
        running = begun(shipped_configuration, f"{collector.address}/of/our/own")
        played(stage, "caller-hangs-up-pin")
        running.send_waiting()
        assert collector.paths == ["/of/our/own"]
        body = collector.bodies[0]
    assert b"after-hours-ivr" in body
    assert b"/webhooks" in body


def test_every_node_makes_the_same_trace_of_a_call() -> None:
    one, again, other = (Tracing(key, lambda _: True) for key in (b"a", b"a", b"b"))
    assert one.ids("CA1") == again.ids("CA1") != other.ids("CA1")
    assert one.ids("CA1") != one.ids("CA2")
    assert 0 not in one.ids("CA1")
    assert one.ids("CA1")[0] < 1 << 128
    assert one.ids("CA1")[1] < 1 << 64


def test_the_worker_s_work_has_spans(shipped_configuration: Configuration, stage: Stage) -> None:
    """What came of a call is in its trace."""
    house = stage()
    at = house.clock.now()

    def fails(*_: Any) -> None:
        raise RuntimeError("48120937")

    handlers: dict[str, Any] = {"done": lambda *_: None, "again": lambda *_: at, "fails": fails}
    with collecting() as collector:
        running = begun(shipped_configuration, collector.address, "work")
        with house.house.database.write() as connection:
            for kind in handlers:
                due.add(connection, at, kind, "+393471112201", at, {"call": "CA1"} if kind == "done" else {})
        logging.disable(logging.ERROR)
        try:
            tick(house.house, at + timedelta(seconds=3), handlers)
        finally:
            logging.disable(logging.NOTSET)
        running.send_waiting()
        spans = {span.name: span for span in collector.spans()}
    assert {name: told(span)["ivr.outcome"] for name, span in spans.items()} == {
        "work: done": "done",
        "work: again": "again",
        "work: fails": "failed",
    }
    assert {told(span)["ivr.late_ms"] for span in spans.values()} == {3000.0}
    assert [name for name, span in spans.items() if span.status.code == 2] == ["work: fails"]
    assert spans["work: done"].trace_id == running.ids("CA1")[0].to_bytes(16, "big")
    assert spans["work: done"].parent_span_id
    assert not spans["work: again"].parent_span_id


@pytest.mark.parametrize(
    "name",
    ["two-wrong-pins-then-right", "call-back-on-file", "pursued-and-taken-by-text", "database-away"],
)
def test_nothing_of_anybody_is_sent(stage: Stage, shipped_configuration: Configuration, name: str) -> None:
    """No PIN, no number, no name; not as they are, not backwards, not in another form."""
    with collecting() as collector:
        running = begun(shipped_configuration, collector.address)
        house = played(stage, name)
        running.send_waiting()
        assert len(collector.spans()) > 4
        sent = b"\n".join(collector.bodies)
        texts = [each for span in collector.spans() for each in told(span).values() if isinstance(each, str)]
        names = [span.name for span in collector.spans()]
    cast = house.cast()
    secret = [*cast.pins.values(), *(cast.wrong_pin(which) for which in range(6))]
    secret += [phone.removeprefix("+39") for phone in cast.people.values() if phone.startswith("+39")]
    secret += ["Acme", "ACME", "Anna", "Rossi", "Neri"]
    for each in secret:
        forms = (each, each[::-1], each.encode().hex(), base64.b64encode(each.encode()).decode())
        assert [form for form in forms if form.encode() in sent] == [], secret.index(each)
    assert not [text for text in texts + names if any(c.isdigit() for c in text)]


def test_a_text_with_a_digit_is_never_told() -> None:
    sent: list[Any] = []
    running = Tracing(b"k", lambda spans: bool(sent.extend(spans)) or True)
    running.tell(Told("CA1", True, "x", 10**9, 1, {"a": "pressed 4812", "b": "pressed", "c": "٤", "d": 7}))
    running.send_waiting()
    assert sent[0].attributes == {"a": "[redacted]", "b": "pressed", "c": "[redacted]", "d": 7}
    assert (sent[0].began, sent[0].ended) == (0, 10**9)


# -- a collector that does not do its part ---------------------------------------------------------


def test_a_collector_that_never_answers_holds_nobody_up(
    stage: Stage, shipped_configuration: Configuration
) -> None:
    """While its thread waits for the collector, a whole call is served, and what has no room is dropped."""
    with collecting(silent=True) as collector:
        running = begun(shipped_configuration, collector.address)
        running._most = 4
        running.tell(Told("CA0", True, "x", 1, 0, {}))
        sending = threading.Thread(target=running.send_waiting, daemon=True)
        sending.start()
        assert collector.came.acquire(timeout=60)
        house = played(stage, "first-technician-accepts")
        assert sending.is_alive()  # still: nothing was answered
        dropped = TALLY.told()["counts"][DROPPED]
        assert dropped > 4
        assert len(running._waiting) == 4
        keeping.Keeper(house.configuration, "test").write()
        assert Scraped(house.house, house.clock.now())["ivr_spans_dropped_total"] == dropped
        collector.answers.set()
        sending.join(60)
        assert not sending.is_alive()
        assert len(collector.spans()) == 5


def test_a_collector_that_is_away_costs_spans_and_is_said_once(
    stage: Stage, shipped_configuration: Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    libraries()
    from console.watching import otlp

    taken, port = nobody_listens()
    collector = f"http://127.0.0.1:{port}"
    running = Tracing(b"k", otlp.sender(collector, "webhooks", "node", patience=0.01))
    caplog.set_level(logging.WARNING)
    with taken:
        for _ in range(2):
            running.tell(Told("CA1", True, "x", 1, 0, {}))
            running.send_waiting()
    assert TALLY.told()["counts"] == {DROPPED: 2}
    said = [record.getMessage() for record in caplog.records if record.name == "ivr.tracing"]
    assert said == ["the collector takes no spans: they are dropped, and counted"]


def test_it_goes_nowhere_else(shipped_configuration: Configuration) -> None:
    """Wherever a collector's answer leads, we do not go."""
    libraries()
    from console.watching import otlp

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", f"{collector.address}/v1/traces")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with collecting() as collector:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            send = otlp.sender(f"http://127.0.0.1:{server.server_port}", "webhooks", "node", patience=0.5)
            running = Tracing(b"k", send)
            running.tell(Told("CA1", True, "x", 1, 0, {}))
            running.send_waiting()
        finally:
            server.shutdown()
            server.server_close()
        assert collector.paths == []
    assert TALLY.told()["counts"] == {DROPPED: 1}


def test_a_process_ends_though_its_collector_never_answers(tmp_path: Path) -> None:
    """Its thread waits for the answer for an hour, if it must; the process does not wait for the thread."""
    libraries()
    script = """
import sys
from console.watching import otlp
from console.watching.tracing import Told, Tracing
running = Tracing(b"k", otlp.sender(sys.argv[1], "webhooks", "node", patience=3600))
running.tell(Told("CA1", True, "x", 1, 0, {}))
running.begin()
sys.stdin.readline()
"""
    with collecting(silent=True) as collector:
        process = subprocess.Popen(
            [sys.executable, "-c", script, collector.address], cwd=ROOT, stdin=subprocess.PIPE, text=True
        )
        try:
            assert collector.came.acquire(timeout=60)
            process.communicate("end\n", timeout=60)
            assert process.returncode == 0
            assert not collector.answers.is_set()
        finally:
            process.kill()
            process.wait()


# -- the configuration ---------------------------------------------------------------------------


def test_without_a_collector_nothing_is_made(stage: Stage, shipped_configuration: Configuration) -> None:
    for part in PARTS:
        assert tracing.begin(shipped_configuration, part) is None
    assert tracing.of_turns() is None
    house = stage()
    assert tracing.timed(house.house) is house.house


def test_whatever_is_wrong_with_it_calls_are_served(
    stage: Stage,
    shipped_configuration: Configuration,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The libraries are gone since the configuration was read."""
    monkeypatch.setitem(sys.modules, "console.watching.otlp", None)
    monkeypatch.delattr("console.watching.otlp", raising=False)
    assert tracing.begin(with_collector(shipped_configuration, "http://127.0.0.1:9"), "webhooks") is None
    assert "no traces are made: ModuleNotFoundError" in caplog.text
    played(stage, "caller-hangs-up-pin")


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("http://127.0.0.1:4318", True),
        ("http://collector.example.net:4318/v1/traces", True),
        ("https://collector.example.net", True),
        ("", True),
        ("collector.example.net", False),
        ("file:///etc/passwd", False),
        ("http://user:word@collector.example.net", False),
        ("http://collector.example.net/?key=word", False),
        ("http://collector.example.net:99999", False),
        ("http://collector.example.net/a b", False),
    ],
)
def test_what_may_be_configured(tmp_path: Path, address: str, fits: bool) -> None:
    if address and fits:
        libraries()
    path = tmp_path / "config.toml"
    path.write_text(with_lines(EXAMPLE.read_text("utf-8"), otlp=json.dumps(address)), "utf-8")
    if fits:
        assert settings.load(path, {}).watching.otlp == address
        return
    with pytest.raises(ConfigurationRefused) as error:
        settings.load(path, {})
    assert error.value.mistakes[0].startswith("watching.otlp: expected a collector's address")


def test_the_extra_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "find_spec", lambda name: None)
    path = tmp_path / "config.toml"
    path.write_text(with_lines(EXAMPLE.read_text("utf-8"), otlp='"http://127.0.0.1:4318"'), "utf-8")
    with pytest.raises(ConfigurationRefused) as error:
        settings.load(path, {})
    assert "after-hours-ivr[opentelemetry]" in error.value.mistakes[0]


def test_the_key_of_the_ids_is_the_service_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setitem(sys.modules, "console.watching.otlp", _Nobody)
    monkeypatch.setattr("console.watching.otlp", _Nobody, raising=False)
    for key in (PEPPER[::-1], PEPPER[::-1], SECOND_PEPPER):
        known = configuration(tmp_path, SECRETS | {"IVR_SERVICE_SIGNING_KEY": key})
        running = tracing.begin(with_collector(known, "http://127.0.0.1:9"), "webhooks")
        assert running is not None
        made.append(running.ids(f"CA{NIGHT:%d}"))
    assert made[0] == made[1] != made[2]


class _Nobody:
    """Stands for the module that sends, where its libraries are not installed."""

    @staticmethod
    def sender(*_: object) -> tracing.Send:
        return lambda _: True
