"""A house that is watched as Prometheus does it: what its `/metrics` say at each look becomes the series of a
test that Prometheus' own tool judges.

Everything about it is real but Twilio, and the clock is in our hands: calls are placed by the telephone, the
worker works, its backup, its snapshot, the certificate and the sign of life are what they are in service. A
test then breaks one thing and looks on.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from unittest import mock
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import trustme
from making import NIGHT
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from werkzeug.serving import WSGIRequestHandler, make_server

from console import certificate
from console.app import create_app
from console.backups.daily import Daily
from console.processes import worker
from console.processes.standing_by import Keeper
from console.provisioning.memory import STAND_IN
from console.rehearsing.rehearsal import Rehearsal
from console.watching import heartbeat
from console.watching.keeping import Keeper as Counts
from console.watching.page import exposition
from console.work import APART
from ivr.tally import TALLY
from storage import notebook
from webhooks import watching

DAY = timedelta(days=1)
NODE = "a"
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME: the certificate is looked at by a clock of our own.
_WHATEVER_THE_TIME = 0x200000
_AUTHORITY = trustme.CA()
FRESH = timedelta(minutes=5)
# The first night's, by its name.
_BACKUP: dict[str, bytes] = {}


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class _Hears(BaseHTTPRequestHandler):
    """Hears the sign of life."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def serving(server: Any) -> Iterator[int]:
    """Serves at a port of this machine until the end of the block."""
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Certified:
    """Where the public address is served over TLS, with a certificate that ends when we say."""

    def __init__(self, ends: datetime) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _AUTHORITY.issue_cert("localhost", not_after=ends.replace(tzinfo=None)).configure_cert(context)
        self.server = make_server(
            "127.0.0.1", 0, lambda *_: [], ssl_context=context, threaded=True, request_handler=_Quiet
        )


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _AUTHORITY.configure_trust(context)
    context.verify_flags |= _WHATEVER_THE_TIME
    return context


@dataclass
class Timeline:
    """What was seen at each look, `minutes` apart, and which alerts are to fire at which look."""

    name: str
    minutes: int
    looks: int = 0
    series: dict[str, list[str]] = field(default_factory=dict)
    judged: list[tuple[int, list[str]]] = field(default_factory=list)

    def seen(self, samples: dict[str, float]) -> None:
        for name in self.series.keys() | samples.keys():
            told = self.series.setdefault(name, ["_"] * self.looks)
            if name in samples:
                told.append(repr(samples[name]).replace("inf", "Inf").replace("nan", "NaN"))
            else:
                # What was told and is told no more is gone at once, as Prometheus takes it.
                told.append("stale" if told and told[-1] not in ("stale", "_") else "_")
        self.looks += 1

    def nobody_looks(self, times: int) -> None:
        for told in self.series.values():
            told += ["_"] * times
        self.looks += times

    def fire(self, alerts: list[str]) -> None:
        """At the latest look exactly these are to fire."""
        self.judged.append((self.looks - 1, sorted(alerts)))

    def as_test(self) -> dict[str, Any]:
        """As `promtool test rules` reads it."""
        firing = 'group by (alertname) (ALERTS{alertstate="firing"})'
        return {
            "name": self.name,
            "interval": f"{self.minutes}m",
            "input_series": [
                {"series": name, "values": " ".join(told)} for name, told in sorted(self.series.items())
            ],
            "promql_expr_test": [
                {
                    "expr": firing,
                    "eval_time": f"{look * self.minutes}m",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts],
                }
                for look, alerts in self.judged
            ],
        }


class Night:
    """A house in service. `minutes` are between two looks."""

    def __init__(self, played: Rehearsal, name: str, minutes: int, around: ExitStack) -> None:
        self.played = played
        self.around = around
        self.timeline = Timeline(name, minutes)
        # How long requests take is what a fault makes of it, however busy this machine is: some milliseconds.
        passed = count()
        self.stopwatch: Callable[[], float] = lambda: next(passed) / 1000
        around.enter_context(mock.patch.object(watching, "perf_counter", self.stopwatch))
        # What a part of the worker does at each look; one that hangs is taken out.
        self.parts: dict[str, Callable[[], object]] = {
            "standing by": lambda: worker._stand_by(self.keeper, played.clock.now),
            "snapshot": self._if_there(self._keep_snapshot),
            "mail": self._if_there(lambda keeper, at: worker._tick_apart(APART["mail"], keeper, at)),
            "phone": lambda: None if self.keeper.away_since else played.work(),
            "tick": self._if_there(worker._tick_once),
            "backup": self._if_there(lambda _, at: self.daily.write(at)),
            "heartbeat": self._if_there(lambda keeper, at: heartbeat.beat(keeper.house, at)),
        }
        # Prometheus' targets: None is read in this process, anything else over HTTP.
        self.targets: dict[str, str | None] = {NODE: None}
        for kept in (TALLY._counts, TALLY._marks, TALLY._spans):
            kept.clear()
        played.clock.reach(NIGHT)
        self.began = played.clock.now().timestamp()
        self._set_up()

    def _if_there(self, do: Callable[[Any, datetime], object]) -> Callable[[], object]:
        return lambda: worker._unless_away(do, self.keeper, self.played.clock.now)

    def _set_up(self) -> None:
        """All that an admin sets up, and that is looked at."""
        self.configured("backup", folder="backups", sealing_keys=[SecretStr("5e" * 32)])
        self.daily = Daily(self.played.house)
        self._first_backup()
        self.heard = self.around.enter_context(ExitStack())
        port = self.heard.enter_context(serving(ThreadingHTTPServer(("127.0.0.1", 0), _Hears)))
        self.configured("watching", heartbeat=SecretStr(f"http://127.0.0.1:{port}/alive"))
        self.certified(NIGHT + 300 * DAY)
        self.published(NIGHT + 30 * DAY)

    def _keep_snapshot(self, keeper: Keeper, at: datetime) -> None:
        """The worker does it every minute; to pack one takes time, and one of five minutes is fresh."""
        if keeper.written is None or at - keeper.written >= FRESH:
            keeper.keep(at)

    def _first_backup(self) -> None:
        """A real one; made once, for each house is the same at its beginning, and no alert reads it."""
        folder = self.played.house.configuration.folder / "backups"
        if _BACKUP:
            folder.mkdir()
            (name, content), *_ = _BACKUP.items()
            (folder / name).write_bytes(content)
        file = self.daily.write(self.at)
        if file is not None:
            _BACKUP[file.name] = file.read_bytes()

    @property
    def keeper(self) -> Any:
        return self.played.keeper

    @property
    def at(self) -> datetime:
        return self.played.clock.now()

    def write(self, do: Callable[[Any], object]) -> None:
        with self.played.house.database.write() as connection:
            do(connection)

    def configured(self, section: str, **values: Any) -> None:
        known = self.played.house.configuration
        changed = getattr(known, section).model_copy(update=values)
        house = replace(self.played.house, configuration=known.model_copy(update={section: changed}))
        self.played.house = self.keeper.house = house

    def certified(self, ends: datetime) -> None:
        """The worker looks at the certificate of the public address."""
        known = self.played.house.configuration
        with serving(Certified(ends).server) as port:
            service = known.service.model_copy(update={"public_url": f"https://localhost:{port}"})
            here = known.model_copy(update={"service": service})
            certificate.look(replace(self.played.house, configuration=here), self.at, trusting())

    def published(self, good_until: datetime) -> None:
        content = {
            "fallback_address": "https://x.twil.io/", "account_sid": "AC", "digest": "d",
            "published_at": self.at.isoformat(), "covers_until": good_until.isoformat(),
        }  # fmt: skip
        self.write(lambda connection: notebook.write(connection, self.at, STAND_IN, content))

    # -- time, and looks ------------------------------------------------------------------------

    def lives(self, looks: int) -> None:
        """So many looks: before each the time until it passes, and the worker works."""
        for _ in range(looks):
            if self.timeline.looks:
                self.played.clock.reach(self._when(self.timeline.looks))
            for part in list(self.parts.values()):
                part()
            self.timeline.seen(self._scraped())

    def nobody_looks(self, *, hours: float) -> None:
        """Prometheus was away for so long; the house was there."""
        self.timeline.nobody_looks(round(hours * 60 / self.timeline.minutes))

    def _when(self, look: int) -> datetime:
        return NIGHT + timedelta(minutes=look * self.timeline.minutes)

    def _scraped(self) -> dict[str, float]:
        Counts(self.played.house.configuration, "webhooks").write()
        found = {}
        for node, address in self.targets.items():
            text = self._asked(address)
            found[_named("up", {"job": "ivr", "instance": node})] = float(text is not None)
            found |= self._samples(text or "", node)
        return found

    def _asked(self, address: str | None) -> str | None:
        """What the node says, None if it says nothing of use."""
        if address is None:
            return exposition(self.played.house, self.at).decode()
        try:
            with build_opener(ProxyHandler({})).open(address, timeout=10) as answer:
                return str(answer.read().decode())
        except (URLError, OSError):
            return None

    def _samples(self, text: str, node: str) -> dict[str, float]:
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                value = sample.value
                # The tool's clock begins at 0, at our first look.
                if sample.name.endswith("_timestamp_seconds"):
                    value -= self.began
                found[_named(sample.name, sample.labels | {"job": "ivr", "instance": node})] = value
        return found

    def console(self, node: str) -> Callable[[], None]:
        """Serve the console of one more node over HTTP, for Prometheus to read; returns what ends it."""
        app = create_app(self.played.house, self.played.clock.now)
        ends = self.around.enter_context(ExitStack())
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        self.targets[node] = f"http://127.0.0.1:{ends.enter_context(serving(server))}/metrics"
        return ends.close


def _named(name: str, labels: dict[str, str]) -> str:
    return name + "{" + ", ".join(f"{label}={json.dumps(labels[label])}" for label in sorted(labels)) + "}"
