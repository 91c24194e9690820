"""nginx and Caddy as they are shipped, the real programs, stand before a real door on this machine: what
Twilio signed goes through unchanged, and nothing else of ours is behind them.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme
from making import ACCOUNT, ROOT, SID, TOKEN, configuration, fresh_database
from ports import free_port
from werkzeug.serving import make_server

from console.house import House
from console.phone.signature import signed
from console.processes.doors import webhook_app
from webhooks.door import LARGEST_BODY

DEPLOY = ROOT / "deploy"
NAME, CONSOLE = "ivr.example.net", "console.example.net"
FORM = [("AccountSid", ACCOUNT), ("CallSid", SID), ("From", "+393471112201"), ("To", "+390461825060")]
FORM += [("CallStatus", "ringing"), ("Direction", "inbound")]
AUTHORITY = trustme.CA()
PATIENCE = 60  # seconds after which a test gives up; nothing takes that long
PROGRAMS = ("nginx", "caddy")


def program(name: str) -> str:
    """Where it is. Else skips, or fails under REQUIRE_ALL=1."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        reason = f"{name} is missing (Debian: {name}): what is shipped for it cannot be tried"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


# -- what is shipped, at ports and with certificates of this test ------------------------------------


@dataclass
class Place:
    """Where a proxy stands in a test: its folder, its ports, the doors behind it."""

    folder: Path
    tls: int
    plain: int
    door: int
    console: int = 9

    def __post_init__(self) -> None:
        for name in (NAME, CONSOLE):
            issued = AUTHORITY.issue_cert(name)
            issued.private_key_pem.write_to_path(self.folder / f"{name}.key")
            for place, each in enumerate(issued.cert_chain_pems):
                each.write_to_path(self.folder / f"{name}.pem", append=place > 0)


def changed(text: str, *changes: tuple[str, str]) -> str:
    """`text` with each of the lines replaced that a test cannot have; each must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def with_console(text: str) -> str:
    """What is shipped with the console's block in force."""
    head, mark, block = text.partition("# -- The console,")
    assert mark
    shown = block.partition("\n#\n")[2]
    assert shown
    return head + re.sub(r"(?m)^# ?", "", shown)


def nginx(place: Place, change: Callable[[str], str] = str) -> list[str]:
    """The command that starts it on what is shipped."""
    site = changed(
        change((DEPLOY / "nginx.conf").read_text(encoding="utf-8")),
        ("listen 443 ssl", f"listen 127.0.0.1:{place.tls} ssl"),
        ("listen 80;", f"listen 127.0.0.1:{place.plain};"),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{place.door}"),
        ("/var/log/nginx/ivr.log", f"{place.folder}/ivr.log"),
        (f"/etc/letsencrypt/live/{NAME}/fullchain.pem", f"{place.folder}/{NAME}.pem"),
        (f"/etc/letsencrypt/live/{NAME}/privkey.pem", f"{place.folder}/{NAME}.key"),
    )
    site = site.replace(f"/etc/letsencrypt/live/{CONSOLE}/fullchain.pem", f"{place.folder}/{CONSOLE}.pem")
    site = site.replace(f"/etc/letsencrypt/live/{CONSOLE}/privkey.pem", f"{place.folder}/{CONSOLE}.key")
    site = site.replace("http://127.0.0.1:8081", f"http://127.0.0.1:{place.console}")
    (place.folder / "site.conf").write_text(site, encoding="utf-8")
    paths = "".join(
        f"{kind}_temp_path {place.folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Debian's own file around it says the same of formats and logs: every request, unless the site says no.
    whole = f"""
        daemon off; pid {place.folder}/pid; worker_processes 1; error_log {place.folder}/error.log;
        events {{ worker_connections 64; }}
        http {{ access_log {place.folder}/access.log; {paths} include {place.folder}/site.conf; }}
    """
    (place.folder / "nginx.conf").write_text(whole, encoding="utf-8")
    return [program("nginx"), "-p", str(place.folder), "-c", str(place.folder / "nginx.conf")]


def caddy(place: Place, change: Callable[[str], str] = str) -> list[str]:
    """The command that starts it on what is shipped."""
    command = program("caddy")
    text = changed(
        change((DEPLOY / "Caddyfile").read_text(encoding="utf-8")),
        ("\tadmin off\n", f"\tadmin off\n\tauto_https disable_redirects\n\thttp_port {place.plain}\n"),
        (
            f"\n{NAME} {{\n",
            f"\nhttps://{NAME}:{place.tls} {{\n\tbind 127.0.0.1\n"
            f"\ttls {place.folder}/{NAME}.pem {place.folder}/{NAME}.key\n",
        ),
        ("127.0.0.1:8080", f"127.0.0.1:{place.door}"),
    )
    text = text.replace(
        f"\n{CONSOLE} {{\n",
        f"\nhttps://{CONSOLE}:{place.tls} {{\n\tbind 127.0.0.1\n"
        f"\ttls {place.folder}/{CONSOLE}.pem {place.folder}/{CONSOLE}.key\n",
    ).replace("127.0.0.1:8081", f"127.0.0.1:{place.console}")
    said = subprocess.run([command, "version"], capture_output=True, text=True, timeout=PATIENCE).stdout
    numbers = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    if numbers and tuple(map(int, numbers.groups())) < (2, 6, 4):
        # As the file itself tells whoever has that one.
        assert "(Debian 12's and 13's own) calls it buffer_requests" in text
        text = changed(text, ("request_buffers 64KiB", "buffer_requests"))
    file = place.folder / "Caddyfile"
    file.write_text(text, encoding="utf-8")
    return [command, "run", "--config", str(file), "--adapter", "caddyfile"]


COMMANDS: dict[str, Callable[..., list[str]]] = {"nginx": nginx, "caddy": caddy}
CHECKS = {"nginx": ["-t"], "caddy": []}


def checked(name: str, place: Place, change: Callable[[str], str] = str) -> str:
    """What the program says of the file when it is asked to look only; it must take it."""
    command = COMMANDS[name](place, change)
    if name == "caddy":
        command[1] = "validate"
    done = subprocess.run(
        [*command, *CHECKS[name]],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=homely(place.folder),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def homely(folder: Path) -> dict[str, str]:
    """An environment in which nothing is written anywhere else."""
    return {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def free_ports(how_many: int) -> list[int]:
    return [free_port() for _ in range(how_many)]


# -- a door behind it -----------------------------------------------------------------------------


@dataclass
class Door:
    """The webhook door of a house; `came` is what each request looked like there."""

    port: int
    came: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("house")
    with fresh_database(folder) as database:
        app = webhook_app(House(configuration(folder), database))
        seen = Door(0)

        def served(environ: dict[str, Any], start: Any) -> Any:
            seen.came.append(environ)
            return app(environ, start)

        server = make_server("127.0.0.1", 0, served, threaded=True)
        seen.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield seen
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs; its door behind it."""

    name: str
    place: Place
    door: Door

    def connect(self, name: str = NAME) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        AUTHORITY.configure_trust(context)
        plain = socket.create_connection(("127.0.0.1", self.place.tls), PATIENCE)
        return context.wrap_socket(plain, server_hostname=name)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        name: str = NAME,
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(name, timeout=PATIENCE)
        connection.sock = self.connect(name)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, path: str, form: list[tuple[str, str]], **headers: str) -> tuple[int, bytes]:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(form).encode(), kind | headers)


@contextmanager
def running(name: str, place: Place, change: Callable[[str], str] = str) -> Iterator[None]:
    log = place.folder / "said"
    with log.open("wb") as said:
        process = subprocess.Popen(
            COMMANDS[name](place, change),
            stdout=said,
            stderr=said,
            env=homely(place.folder),
            cwd=place.folder,
        )
    try:
        limit = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", place.tls), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                break
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture(scope="module", params=PROGRAMS)
def proxy(
    request: pytest.FixtureRequest, door: Door, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    name: str = request.param
    program(name)
    place = Place(tmp_path_factory.mktemp(name), *free_ports(2), door.port)
    with running(name, place):
        yield Proxy(name, place, door)


# -- what is taken --------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [str, with_console], ids=["as shipped", "with the console"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_takes_what_is_shipped(name: str, change: Callable[[str], str], tmp_path: Path) -> None:
    said = checked(name, Place(tmp_path, *free_ports(2), 9), change)
    # What this test has put there itself: a certificate that no authority answers for, and no redirects.
    ours = ("OCSP", "redirects are disabled")
    said = "\n".join(line for line in said.splitlines() if not any(each in line for each in ours))
    assert not re.search(r'\[(warn|emerg)\]|"level":"(warn|error)"', said), said


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_one_door_is_behind_it(name: str) -> None:
    file = {"nginx": "nginx.conf", "caddy": "Caddyfile"}[name]
    text = (DEPLOY / file).read_text(encoding="utf-8")
    in_force = re.sub(r"(?m)#.*$", "", text)
    assert set(re.findall(r"127\.0\.0\.1:\d+", in_force)) == {"127.0.0.1:8080"}
    assert CONSOLE not in in_force


# -- what goes through ----------------------------------------------------------------------------


def test_what_twilio_signed_is_answered(proxy: Proxy) -> None:
    path = "/voice"
    status, answer = proxy.post(path, FORM, **signed(TOKEN, "", f"https://{NAME}{path}", FORM))
    assert (status, answer[:5]) == (200, b"<?xml")


@pytest.mark.parametrize(
    "path", ["/voice/turn/3?l=a%2Fb%20c%25+d%C3%A9&e=", "/voice/./turn//3?", "/voice?a=%2e%2e/"]
)
def test_path_and_query_are_those_that_were_signed(proxy: Proxy, path: str) -> None:
    proxy.door.came.clear()
    proxy.post(path, FORM, **signed(TOKEN, "", f"https://{NAME}{path}", FORM))
    (came,) = proxy.door.came
    assert came["REQUEST_URI"].rstrip("?") == path.rstrip("?")
    assert came["HTTP_HOST"] == NAME


@pytest.mark.parametrize("path", ["/voice", "/voice/turn/1", "/voice/status", "/sms"])
def test_what_nobody_signed_is_not(proxy: Proxy, path: str) -> None:
    assert proxy.post(path, FORM)[0] == 403
    other = signed("x" * 32, "", f"https://{NAME}{path}", FORM)
    assert proxy.post(path, FORM, **other)[0] == 403


@pytest.mark.parametrize("path", ["/", "/metrics", "/login", "/api", "/static/app.css", "/rehearse", "/.env"])
def test_there_is_nothing_else_behind_it(proxy: Proxy, path: str) -> None:
    assert proxy.ask("GET", path)[0] == 404


def test_a_body_beyond_the_limit_does_not_reach_the_door(proxy: Proxy) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    proxy.door.came.clear()
    for length in (LARGEST_BODY + 1, 99_999, 1_000_000):
        assert proxy.ask("POST", "/voice", b"a" * length, kind)[0] == 413, length
    assert proxy.door.came == []
    # One just within it is the door's affair.
    assert proxy.ask("POST", "/voice", b"a=" + b"b" * (LARGEST_BODY - 2), kind)[0] == 403


def test_nobody_says_where_he_comes_from(proxy: Proxy) -> None:
    """The door does not take it for this machine's own request, whatever the sender writes."""
    proxy.door.came.clear()
    status, answer = proxy.ask(
        "GET", "/readyz", headers={"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    )
    (came,) = proxy.door.came
    assert came["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert "HTTP_FORWARDED" not in came
    assert (status, answer) == (200, b"ready\n")


def test_a_slow_sender_holds_nobody(proxy: Proxy) -> None:
    """The door sees a request when all of it is there."""
    proxy.door.came.clear()
    with proxy.connect() as slow:
        head = f"POST /voice HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        slow.sendall(f"{head}Content-Length: 400\r\n\r\na=b".encode())
        assert proxy.ask("GET", "/healthz") == (200, b"ok\n")
        assert [came["PATH_INFO"] for came in proxy.door.came] == ["/healthz"]


def _for_this_machine(text: str) -> str:
    """With the console's block in force, for people who sit at this machine."""
    return changed(with_console(text), ("192.0.2.0/24", "127.0.0.0/8"))


def test_nothing_of_a_request_is_written_down_and_the_console_is_apart(proxy: Proxy) -> None:
    """Neither of one that is served, nor of one that fails because nobody is behind it."""
    path = "/voice/turn/1?l=LUGGAGE-OF-A-CALL"
    digits = [*FORM, ("Digits", "48151623")]
    assert proxy.post(path, digits)[0] == 403
    folder = proxy.place.folder
    (folder / "dead").mkdir()
    dead = Proxy(proxy.name, Place(folder / "dead", *free_ports(4)), proxy.door)
    with running(proxy.name, dead.place, _for_this_machine):
        assert dead.post(path, digits)[0] == 502
        assert dead.ask("GET", "/link/LUGGAGE-OF-A-CALL", name=CONSOLE)[0] == 502
        assert dead.ask("GET", "/metrics", name=CONSOLE)[0] == 404
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"LUGGAGE" not in content, file
            assert b"48151623" not in content, file
