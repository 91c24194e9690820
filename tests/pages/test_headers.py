"""What every answer carries, cookies, host names, how long one stays in, how much one may send."""

from __future__ import annotations

import io
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from crawling import HERE, furnish, token
from fuzzing.asking import Asked, put
from making import configuration, fresh_database, opened_at, with_lines
from test_login import PASSWORD, code, set_up
from visitors import Clock, Console, console_in
from werkzeug.test import TestResponse

from console import settings
from console.access import passwords, sessions
from console.house import House
from console.web.area import is_polled

HTTPS = "https://console.example.net"


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same hash at next to no cost."""
    monkeypatch.setattr(passwords, "_HASH", passwords._HASH.using(memory_cost=8, time_cost=1))
    return


@pytest.fixture
def behind_https(tmp_path: Path) -> Iterator[Console]:
    """The console as it is behind a proxy with a certificate."""
    made = configuration(tmp_path)
    console_section = made.console.model_copy(update={"address": HTTPS})
    with fresh_database(tmp_path) as database:
        url = str(database.engine.url)
    with opened_at(url) as database:
        house = House(made.model_copy(update={"console": console_section}), database)
        yield console_in(tmp_path, house, Clock())


# -- headers -------------------------------------------------------------------------------------


def policy(answer: TestResponse) -> dict[str, list[str]]:
    parts = answer.headers["Content-Security-Policy"].split(";")
    return {name: values for name, *values in (part.split() for part in parts if part.strip())}


def check(answer: TestResponse, where: str) -> None:
    found = policy(answer)
    assert found["default-src"] == ["'none'"], where
    assert found["frame-ancestors"] == ["'none'"], where
    assert found["base-uri"] == ["'none'"], where
    assert found["form-action"] == ["'self'"], where
    for name, values in found.items():
        assert set(values) <= {"'self'", "'none'", "data:", "blob:"}, (where, name, values)
    assert {"data:", "blob:"} & set(found.get("script-src", [])) == set(), where
    assert answer.headers["X-Content-Type-Options"] == "nosniff", where
    assert answer.headers["X-Frame-Options"] == "DENY", where
    assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), where
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", where
    assert "Server" not in answer.headers or "Python" not in answer.headers["Server"], where


def test_every_page_carries_them(console: Console) -> None:
    pages = furnish(console)
    visitors = {role: console.visitor(role) for role in ("admin", "technician", None)}
    for endpoint, path in pages.items():
        for role, visitor in visitors.items():
            answer = visitor.get(path)
            check(answer, f"{endpoint} as {role}")
            assert "no-store" in answer.headers["Cache-Control"], endpoint


def test_every_refusal_carries_them(console: Console) -> None:
    visitor = console.visitor("admin")
    for answer in (
        visitor.get("/no-such-page"),
        visitor.get("/users/999"),
        visitor.client.put("/users", base_url=HERE),
        visitor.client.post("/users/add", base_url=HERE),
        console.visitor("reader").get("/users"),
        visitor.client.get("/", base_url="http://evil.example"),
    ):
        check(answer, str(answer.status_code))
        assert answer.headers["Cache-Control"] == "no-store"
    assert visitor.client.get("/", base_url="http://evil.example").status_code == 400


def test_a_fault_of_ours_shows_nothing_of_itself(
    console: Console, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret of the house")

    visitor = console.visitor("admin")
    monkeypatch.setattr("console.web.shown.account.gather", fails)
    answer = visitor.get("/account")
    assert answer.status_code == 500
    assert "secret of the house" not in answer.get_data(as_text=True)
    assert "Traceback" not in answer.get_data(as_text=True)
    check(answer, "500")
    caplog.clear()


def test_files_of_ours_may_be_kept_by_the_address_that_changes_with_them(console: Console) -> None:
    visitor = console.visitor(None)
    for path in re.findall(r'"(/static/[^"]+)"', visitor.page("/login")):
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        check(answer, path)
    assert "immutable" not in visitor.get("/static/console.css").headers["Cache-Control"]
    assert "immutable" not in visitor.get("/static/none.css?v=1").headers.get("Cache-Control", "")


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"])
def test_no_other_file_is_served(console: Console, path: str) -> None:
    assert console.visitor("admin").get(path).status_code == 404


# -- cookies -------------------------------------------------------------------------------------


def cookies_of(answer: TestResponse) -> dict[str, set[str]]:
    """Each cookie's attributes, in small letters."""
    found = {}
    for line in answer.headers.getlist("Set-Cookie"):
        name, _, rest = line.partition("=")
        found[name] = {part.strip().lower() for part in rest.split(";")[1:]}
    return found


def come_in(console: Console, address: str) -> TestResponse:
    """Set the reader up, and log him in under this address."""
    secret, _ = set_up_at(console, address)
    console.clock.forward(minutes=5)
    visitor = console.visitor(None)
    shown = visitor.client.get("/login", base_url=address).get_data(as_text=True)
    given = re.search(r'name="form-token" value="([0-9a-f]+)"', shown)
    assert given
    data = {"form-token": given[1], "name": "elena", "password": PASSWORD, "code": code(console, secret)}
    return visitor.client.post("/login", data=data, base_url=address)


def set_up_at(console: Console, address: str) -> tuple[str, list[str]]:
    if address == HERE:
        return set_up(console, "reader")
    from console.access import keys, login, users

    with console.house.database.write() as connection:
        link = users.welcome(connection, console.clock.now(), console.users["reader"])
    secret = keys.new_factor(console.house.configuration, link)
    _, codes = login.set_up(console.house, console.clock.now(), link, PASSWORD, code(console, secret))
    return secret, codes


def test_cookies_on_this_machine(console: Console) -> None:
    visitor = cookies_of(console.visitor(None).get("/login"))
    assert visitor == {"ivr-visitor": {"httponly", "samesite=strict", "path=/"}}
    session = cookies_of(come_in(console, HERE))
    assert session["ivr-session"] == {"httponly", "samesite=strict", "path=/"}
    assert "max-age=0" in session["ivr-visitor"]


def test_cookies_behind_https(behind_https: Console) -> None:
    answer = behind_https.visitor(None).client.get("/login", base_url=HTTPS)
    strict = {"secure", "httponly", "samesite=strict", "path=/"}
    assert cookies_of(answer) == {"__Host-ivr-visitor": strict}
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    came_in = come_in(behind_https, HTTPS)
    assert came_in.status_code == 303
    assert cookies_of(came_in)["__Host-ivr-session"] == strict


def test_this_machine_promises_no_https(console: Console) -> None:
    assert "Strict-Transport-Security" not in console.visitor(None).get("/login").headers


def test_a_cookie_of_plain_http_is_nothing_behind_https(behind_https: Console) -> None:
    visitor = behind_https.visitor("admin")  # it has `ivr-session`
    assert visitor.client.get("/account", base_url=HTTPS).status_code == 303


# -- host names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8081", 200),
        ("localhost", 200),
        ("LOCALHOST:8081", 200),
        ("127.0.0.1:9000", 200),
        ("[::1]:8081", 200),
        ("[::1]", 200),
        ("evil.example", 400),
        ("localhost.evil.example:8081", 400),
        ("evil.example:8081", 400),
        ("127.0.0.1.evil.example", 400),
        ("x:99999", 400),
        ("localhost:99999", 400),
        ("localhost:0", 400),
        ("localhost:٣", 400),
        ("localhost:", 400),
        ("127.1:8081", 400),
        ("0.0.0.0:8081", 400),
        ("user@localhost:8081", 400),
        ("", 400),
    ],
)
def test_only_names_of_this_machine_are_answered(console: Console, host: str, status: int) -> None:
    answer = console.visitor(None).client.get("/login", headers={"Host": host.encode().decode("latin-1")})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("console.example.net", 200),
        ("CONSOLE.example.net", 200),
        ("localhost:8081", 400),
        ("127.0.0.1", 400),
        ("console.example.net.evil.example", 400),
        ("console.example.net:8443", 400),
    ],
)
def test_behind_https_only_its_own_name_is_answered(behind_https: Console, host: str, status: int) -> None:
    assert behind_https.visitor(None).client.get("/login", headers={"Host": host}).status_code == status


def test_what_a_proxy_may_say_is_not_believed(console: Console) -> None:
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-For": "10.9.8.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=10.9.8.7;host=evil.example;proto=https",
        "X-Original-URL": "/users",
        "X-Rewrite-URL": "/users",
    }
    visitor = console.visitor("reader")
    assert visitor.client.get("/account", base_url=HERE, headers=forged).status_code == 200
    led = console.visitor(None).client.get("/account", base_url=HERE, headers=forged)
    assert led.headers["Location"] == "/login?next=/account"
    secret, _ = set_up(console)
    console.clock.forward(minutes=5)
    stranger = console.visitor(None)
    data = {
        "form-token": token(stranger),
        "name": "giulia",
        "password": PASSWORD,
        "code": code(console, secret),
    }
    assert stranger.client.post("/login", data=data, base_url=HERE, headers=forged).status_code == 303
    with console.house.database.read() as connection:
        newest, *_ = sessions.open_sessions(connection, console.clock.now(), console.users["admin"])
    assert newest.address == "127.0.0.1"


# -- how long ------------------------------------------------------------------------------------


def test_what_a_page_asks_for_by_itself_keeps_nobody_in(console: Console) -> None:
    """Every polled address, asked for each minute: after a quarter of an hour it is over."""
    pages = furnish(console)
    polled = {name: path for name, path in pages.items() if is_polled(name)}
    for name, path in polled.items():
        visitor = console.visitor("admin")
        for _ in range(15):
            console.clock.forward(minutes=1)
            asked = visitor.client.get(path, base_url=HERE, headers={"HX-Request": "true"})
            assert asked.status_code != 302, name
        console.clock.forward(seconds=1)
        over = visitor.client.get(path, base_url=HERE, headers={"HX-Request": "true"})
        assert (over.status_code, over.headers.get("HX-Redirect")) == (204, "/login"), name


def test_whoever_works_stays_in_and_whoever_leaves_does_not(console: Console) -> None:
    visitor = console.visitor("admin")
    for _ in range(10):
        console.clock.forward(minutes=14)
        assert visitor.get("/account").status_code == 200
    console.clock.forward(minutes=16)
    assert visitor.get("/account").status_code == 303


# -- where one is led ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "evil",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "/\t/evil.example", "\\\\evil", "evil"],
)
def test_a_visitor_who_is_in_is_led_nowhere_else(console: Console, evil: str) -> None:
    from urllib.parse import quote

    answer = console.visitor("admin").get(f"/login?next={quote(evil)}")
    assert answer.headers["Location"] == "/"


def test_every_redirect_stays_here(console: Console) -> None:
    """Whatever a page is given, it leads to an address of its own."""
    pages = furnish(console)
    visitor = console.visitor("admin")
    for path in pages.values():
        joined = "&" if "?" in path else "?"
        answer = visitor.get(
            f"{path}{joined}next=//evil.example&m=//evil&back=https://evil.example&after=//evil"
        )
        location = answer.headers.get("Location", "/")
        assert location.startswith("/"), path
        assert location[1:2] not in ("/", "\\"), path


def test_whoever_comes_from_elsewhere_is_led_on_with_his_cookies(console: Console) -> None:
    """A strict cookie does not come along with a link from outside; with what our page asks for it does."""
    stranger = console.visitor(None)
    answer = stranger.client.get(
        "/calls?q=%22%3E%3Cscript%3E", base_url=HERE, headers={"Sec-Fetch-Site": "cross-site"}
    )
    shown = answer.get_data(as_text=True)
    if answer.status_code == 200:
        assert "<script>" not in shown.replace('<script src="/static', "")
    answer = stranger.client.get("/account", base_url=HERE, headers={"Sec-Fetch-Site": "cross-site"})
    assert '<meta http-equiv="refresh" content="0;url=/account">' in answer.get_data(as_text=True)
    assert stranger.get("/account").headers["Location"] == "/login?next=/account"


# -- how much ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [None, "admin"])
def test_what_is_too_large_is_refused_before_it_is_read(console: Console, role: str | None) -> None:
    visitor = console.visitor(role)
    given = token(visitor)
    limit = 64 * 1024 if role is None else 4 * 1024 * 1024
    body = f"form-token={given}&name=".encode() + b"x" * limit
    tracemalloc.start()
    try:
        answer = visitor.client.post(
            "/login", input_stream=io.BytesIO(body), content_length=len(body), base_url=HERE,
            content_type="application/x-www-form-urlencoded",
        )  # fmt: skip
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert grown < limit + 4 * 1024 * 1024
    shorter = b"x" * (limit // 2)
    answer = visitor.client.post("/login", data={"form-token": given, "name": shorter}, base_url=HERE)
    assert answer.status_code == 403


@pytest.mark.parametrize("role", [None, "admin"])
@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
def test_five_thousand_fields_are_refused(console: Console, role: str | None, kind: str) -> None:
    visitor = console.visitor(role)
    given = token(visitor)
    if kind == "urlencoded":
        body = f"form-token={given}".encode() + b"&a=" * 5000
        answer = visitor.client.post(
            "/login", data=body, base_url=HERE, content_type="application/x-www-form-urlencoded"
        )
    else:
        part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
        answer = visitor.client.post(
            "/login", data=part * 5000 + b"--b--", base_url=HERE,
            content_type="multipart/form-data; boundary=b",
        )  # fmt: skip
    assert answer.status_code in (400, 413)


def test_a_million_fields_cost_no_more_than_their_bytes(console: Console) -> None:
    visitor = console.visitor("admin")
    body = f"form-token={token(visitor)}".encode() + b"&a" * 1_900_000
    tracemalloc.start()
    try:
        answer = visitor.client.post(
            "/login", data=body, base_url=HERE, content_type="application/x-www-form-urlencoded"
        )
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 400
    assert grown < 16 * 1024 * 1024


def test_a_body_that_breaks_off_is_the_sender_s_fault(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def read(self, *_: object) -> bytes:
            raise RuntimeError("a chunk without a size")  # the server's own kind is no OSError either

    app = console.visitor(None).client.application
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        headers = (("Host", urlsplit(HERE).netloc), ("Content-Type", kind))
        asked = Asked("POST", "/login", "", headers, b"", chunked=True)
        answered = put(lambda given, start: app({**given, "wsgi.input": Broken()}, start), asked)
        assert answered.status == 400
    assert not [record for record in caplog.records if record.exc_info]


def test_a_body_of_another_kind_is_no_form(console: Console) -> None:
    visitor = console.visitor("admin")
    answer = visitor.client.post("/account/language", json={"form-token": token(visitor)}, base_url=HERE)
    assert answer.status_code == 403


def test_the_example_s_address_must_be_https(tmp_path: Path) -> None:
    from making import EXAMPLE

    path = tmp_path / "config.toml"
    path.write_text(with_lines(EXAMPLE.read_text("utf-8"), address='"http://console.example.net"'), "utf-8")
    with pytest.raises(settings.ConfigurationRefused, match=r"console\.address"):
        settings.load(path, {})


def test_a_nul_and_a_number_beyond_all_rows_are_refused_at_the_door(console: Console) -> None:
    visitor = console.visitor("admin")
    assert visitor.get("/account/%00").status_code == visitor.get("/calls/%00").status_code == 404
    assert visitor.get("/users/99999999999999999999").status_code == 404
    answer = visitor.client.post(
        "/account/language", data={"form-token": token(visitor), "language": "en\0"}, base_url=HERE
    )
    assert answer.status_code == 400
