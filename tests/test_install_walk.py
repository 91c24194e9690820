"""docs/install.md is walked line by line, in a folder that stands for the machine.

Commands of ours run as they stand there; so do those that only touch files. What needs a machine of its own
(packages, systemd, a certificate) is not run; instead what it would find at that moment is looked at. A line
that is neither fails.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import time_machine
from click.testing import CliRunner
from making import NIGHT, ROOT, ROTA
from sqlalchemy import text
from test_before_migration import the_next_release
from test_two_releases import NEXT

from console.commands import ivr
from console.settings import load
from storage.engine import open_database

PAGE = ROOT / "docs" / "install.md"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
# What Debian has made before.
FOLDERS = ["usr/lib/sysusers.d", "usr/local/bin", "etc/systemd/system", "etc/nginx/sites-available"]
FOLDERS += ["etc/nginx/sites-enabled", "etc/caddy", "opt", "var/lib", "var/backups", "var/www/html"]
FILES = ("install", "cp", "ln", "sed", "grep", "printf", "rm")
# They ask Twilio, or the world; tests of their own have them.
ELSEWHERE = ["ivr twilio provision --yes", "ivr doctor"]


def lines() -> list[str]:
    """What is to be typed, in order."""
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line]


class Machine:
    """A folder in which /etc, /opt, /usr and /var are."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for each in FOLDERS:
            (folder / each).mkdir(parents=True)
        (folder / "etc/nginx/sites-enabled/default").write_text("")
        self.said: dict[str, str] = {}
        self.name = ""

    def here(self, line: str) -> str:
        """A line with its paths in the folder; its user, who is not there, left out."""
        line = re.sub(r"(?<![\w.$])/(etc|opt|usr|var)/", rf"{self.root}/\1/", line)
        return line.replace(" -o ivr -g ivr", "").replace("$NAME", self.name)

    def file(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text(encoding="utf-8")

    def type(self, line: str) -> None:
        word = line.split()[0]
        ours = re.fullmatch(r"(?:runuser -u ivr -- /opt/ivr-([0-9.]+)/bin/)?ivr (.+)", line)
        if line.startswith("NAME="):
            self.name = line.removeprefix("NAME=")
        elif line in ELSEWHERE:
            pass
        elif ours:
            self.said[line] = self.ivr(*shlex.split(self.here(ours[2])), of_the_next=bool(ours[1]))
        elif word in FILES:
            done = subprocess.run(
                ["bash", "-c", self.here(line)], cwd=ROOT, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
            self.said[line] = done.stdout
        else:
            (looks,) = [look for known, look in LOOKED_AT.items() if re.fullmatch(known, line)]
            looks(self, line)

    def ivr(self, *arguments: str, of_the_next: bool) -> str:
        """The command as /usr/local/bin/ivr runs it."""
        given = [] if "--config" in arguments else ["--config", str(self.root / "etc/ivr/config.toml")]
        if arguments[:2] == ("rota", "apply"):
            Path(arguments[2]).write_text(ROTA, encoding="utf-8")
        if of_the_next:
            with the_next_release(self.root):
                done = CliRunner().invoke(ivr, [*given, *arguments])
        else:
            done = CliRunner().invoke(ivr, [*given, *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout


# -- what is not run is looked at ------------------------------------------------------------------


def _nothing(machine: Machine, line: str) -> None:
    """It leaves nothing that the lines after it build upon, but programs."""


def _makes_a_program(machine: Machine, line: str) -> None:
    folder = line.split()[-1]
    assert folder in (f"/opt/ivr-{VERSION}", "/opt/ivr-0.2.0")
    (machine.root / folder.lstrip("/")).mkdir()


def _fills_it(machine: Machine, line: str) -> None:
    """By the lock, as the container does."""
    program, _, rest = line.partition("/bin/pip ")
    assert (machine.root / program.lstrip("/")).is_dir()
    recipe = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    for word in rest.replace("-r ", "--requirement ").split():
        assert word in recipe
    assert (ROOT / "requirements-server.lock").is_file()


def _knows_the_user(machine: Machine, line: str) -> None:
    assert machine.file("/usr/lib/sysusers.d/ivr.conf").splitlines()[-1].startswith("u ivr ")


def _has_units(machine: Machine, line: str) -> None:
    unit = machine.file("/etc/systemd/system/ivr.service")
    (started,) = re.findall(r"(?m)^ExecStart=(\S+) --config (\S+) serve$", unit)
    assert started == ("/opt/ivr/bin/ivr", "/etc/ivr/config.toml")
    assert (machine.root / "opt" / "ivr").is_dir()
    made = load(machine.root / "etc/ivr/config.toml", {})
    # Wherever the configuration has the program write, the unit lets it.
    more = machine.file("/etc/systemd/system/ivr.service.d/backups.conf")
    allowed = [machine.here(path) for path in re.findall(r"(?m)^ReadWritePaths=(\S+)$", unit)]
    allowed += re.findall(r"(?m)^ReadWritePaths=(\S+)$", more)
    written = [made.service.state, made.backup.folder, made.database.url.removeprefix("sqlite:///")]
    for path in map(Path, written):
        assert any(path.is_relative_to(each) for each in allowed), path


def _has_a_site(machine: Machine, line: str) -> None:
    enabled = machine.root / "etc/nginx/sites-enabled"
    assert [each.name for each in enabled.iterdir()] == ["ivr"]
    site = (enabled / "ivr").read_text(encoding="utf-8")
    assert f"server_name {machine.name};" in site
    assert site == (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8").replace(
        "ivr.example.net", machine.name
    )


def _has_a_caddyfile(machine: Machine, line: str) -> None:
    found = machine.file("/etc/caddy/Caddyfile")
    assert f"\n{machine.name} {{\n" in found
    assert "\n\t\tbuffer_requests\n" in found


def _asks_a_door(machine: Machine, line: str) -> None:
    """The answers stand in tests/test_proxies.py."""
    path = re.search(r"https?://(?:\$NAME|127\.0\.0\.1:8080)(/\w+)$", line)
    assert path
    assert path[1] in ("/readyz", "/healthz", "/voice", "/metrics")


LOOKED_AT: dict[str, Callable[[Machine, str], None]] = {
    r"apt-get install --yes --no-install-recommends [a-z0-9 -]+": _nothing,
    r"python3 -m venv \S+": _makes_a_program,
    r"/opt/ivr-[0-9.]+/bin/pip install .+": _fills_it,
    r"systemd-sysusers": _knows_the_user,
    r"systemctl (daemon-reload|enable --now ivr|restart ivr)": _has_units,
    r"certbot certonly --webroot -w /var/www/html -d \$NAME --deploy-hook '.+'": _nothing,
    r"nginx -t|systemctl reload nginx": _has_a_site,
    r"caddy validate .+ --config /etc/caddy/Caddyfile|systemctl restart caddy": _has_a_caddyfile,
    r"curl .+": _asks_a_door,
}


# -- the walk --------------------------------------------------------------------------------------


def test_the_page_is_walked(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with time_machine.travel(NIGHT, tick=False):
        for line in lines():
            machine.type(line)
    assert machine.name == "ivr.example.net"

    # The keys that go into the safe are all that a restore on another machine needs.
    (kept,) = [said for line, said in machine.said.items() if line.startswith("grep")]
    assert [each.split(" = ")[0] for each in kept.splitlines()] == [
        "signing_key",
        "peppers",
        "salt",
        "sealing_keys",
    ]
    assert "[]" not in kept
    made = load(tmp_path / "etc/ivr/config.toml", {})
    assert made.service.state == tmp_path / "var/lib/ivr"
    assert not list((tmp_path / "etc/ivr").glob("*.db"))
    backups = sorted(each.name for each in (tmp_path / "var/backups/ivr").iterdir())
    assert backups[0] == "first.backup"
    assert backups[1].startswith("ivr-tables-")
    (migrated,) = [said for line, said in machine.said.items() if line.endswith(" migrate")]
    assert "start its program again" in migrated
    # Forth, and back again.
    links = [line.split()[2] for line in lines() if line.startswith("ln -sfn ")]
    assert links == [f"ivr-{VERSION}", "ivr-0.2.0", f"ivr-{VERSION}"]
    assert (tmp_path / "opt/ivr").readlink() == Path(f"ivr-{VERSION}")
    database = open_database(made.database.url)
    with database.read() as connection:
        assert connection.execute(text("SELECT code FROM customers")).scalars().all() == ["ACME"]
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEXT
    database.close()


def test_the_command_runs_as_the_service_does() -> None:
    """Same program, same configuration, same user as the unit."""
    unit = (ROOT / "deploy/systemd/ivr.service").read_text(encoding="utf-8")
    command = (ROOT / "deploy/ivr").read_text(encoding="utf-8").splitlines()[-1]
    (program, config) = re.findall(r"(?m)^ExecStart=(\S+) --config (\S+) serve$", unit)[0]
    (user,) = re.findall(r"(?m)^User=(\S+)$", unit)
    assert command == f'exec runuser -u {user} -- {program} --config {config} "$@"'
