"""What is shipped for running it elsewhere says what it must: a container by nobody on a file system it
cannot write, two nodes behind a balancer, units that may do no more than they need.

What cannot be run here is read for what would matter if it were otherwise; test_proxies.py runs the proxies.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from making import EXAMPLE, ROOT
from patient import SHIPPED

from console.processes.service import PARTS
from console.processes.serving import GRACE
from console.settings import SECRETS

DEPLOY = ROOT / "deploy"
NOBODY = "65534:65534"


def seconds(text: str) -> float:
    """`30s`, `1m`, or a plain number of seconds."""
    found = re.fullmatch(r"(\d+)(s|m|)", text)
    assert found, text
    return int(found[1]) * (60 if found[2] == "m" else 1)


# -- the container -------------------------------------------------------------------------------


def containerfile() -> list[tuple[str, str]]:
    """Its instructions in order."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "Containerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, FROM first."""
    found: list[list[tuple[str, str]]] = []
    for each in containerfile():
        if each[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(each)
    return found


def test_what_runs_is_made_of_what_was_built_and_nothing_else() -> None:
    build, run = stages()
    assert build[0][1].endswith(" AS build")
    assert [word for word, _ in run if word in ("RUN", "ADD")] == []
    assert all("--from=build" in rest for word, rest in run if word == "COPY")
    assert build[0][1].removesuffix(" AS build") == run[0][1] == "${BASE}"


def test_its_base_is_named_and_can_be_pinned() -> None:
    (base,) = (rest for word, rest in containerfile() if word == "ARG")
    name, _, image = base.partition("=")
    assert name == "BASE"
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-[a-z]+", image)
    assert "@sha256:" in (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def test_it_is_run_by_nobody() -> None:
    _, run = stages()
    words = [word for word, _ in run]
    assert dict(run)["USER"] == NOBODY
    assert words.count("USER") == 1
    assert words.index("USER") < words.index("ENTRYPOINT") < words.index("CMD")
    (owned,) = (rest for word, rest in run if word == "COPY" and "--chown" in rest)
    assert f"--chown={NOBODY} " in owned
    assert owned.split()[-1] == dict(run)["VOLUME"] == "/var/lib/ivr"


@pytest.mark.parametrize("word", ["ENTRYPOINT", "CMD", "HEALTHCHECK"])
def test_no_shell_is_needed(word: str) -> None:
    _, run = stages()
    command = dict(run)[word].partition("CMD ")[2] if word == "HEALTHCHECK" else dict(run)[word]
    assert all(isinstance(each, str) for each in json.loads(command))
    assert json.loads(command)[0] in ("ivr", "serve", "python")


def test_no_secret_is_in_it() -> None:
    """Neither as a variable, nor in what is sent to whoever builds it."""
    for word, rest in containerfile():
        if word in ("ENV", "ARG"):
            names = {each.partition("=")[0] for each in shlex.split(rest)}
            assert names <= {
                "BASE",
                "PATH",
                "HOME",
                "PYTHONDONTWRITEBYTECODE",
                "PYTHONUNBUFFERED",
                "IVR_CONFIG",
                "IVR_HEALTH",
            }
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!").rstrip("/") for rule in rules if rule.startswith("!")}
    build, _ = stages()
    copied = {each.rstrip("/") for word, rest in build if word == "COPY" for each in rest.split()[:-1]}
    assert sent == copied
    assert not any(
        fnmatch(each, pattern) for each in sent for pattern in ("*.db*", "config.toml", "state", ".git")
    )


def test_the_whole_program_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    build, _ = stages()
    copied = {each.rstrip("/") for word, rest in build if word == "COPY" for each in rest.split()[:-1]}
    needed = {*wheel["packages"], *wheel["force-include"], project["project"]["readme"]}
    assert needed | {*project["project"]["license-files"]} <= copied


# -- two nodes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run the program."""
    image = compose["x-node"]["image"]
    return {name: each for name, each in compose["services"].items() if each["image"] == image}


def test_there_are_two_of_what_serves_calls(compose: dict[str, Any]) -> None:
    parts = [tuple(each["command"]) for each in ours(compose).values()]
    for part, how_many in {"webhooks": 2, "work": 2, "console": 1}.items():
        assert part in PARTS
        assert parts.count(("serve", "--only", part)) == how_many
    assert {*compose["services"]} == {*ours(compose), "database", "balancer"}


def test_no_service_may_do_more_than_it_needs(compose: dict[str, Any]) -> None:
    for name, each in ours(compose).items():
        assert each["user"] == NOBODY, name
        assert each["read_only"] is True, name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert seconds(each["stop_grace_period"]) > GRACE, name
        assert "privileged" not in each
        assert "ports" not in each, "only the balancer is reached from outside"


def test_each_service_names_an_image_that_does_not_move_by_itself(compose: dict[str, Any]) -> None:
    for name, each in compose["services"].items():
        image = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", each["image"])
        assert re.search(r":\d[\w.-]*$", image), name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert compose["x-node"]["image"].endswith(f":{project['version']}}}")


def test_a_node_has_a_folder_of_its_own_and_all_have_the_recordings(compose: dict[str, Any]) -> None:
    folders: dict[str, set[str]] = {}
    for name, each in ours(compose).items():
        mounted = dict(reversed(volume.split(":")[:2]) for volume in each["volumes"])
        assert mounted["/etc/ivr/config.toml"] == "./config.toml", name
        assert next(v for v in each["volumes"] if v.startswith("./config")).endswith(":ro"), name
        assert mounted["/var/lib/ivr/messages"] == "messages", name
        folders.setdefault(mounted["/var/lib/ivr"], set()).add(each["hostname"])
    # The name is what the database knows a node by; both parts of a node have the same.
    assert folders == {"node-1": {"node-1"}, "node-2": {"node-2"}}
    assert set(compose["volumes"]) == {*folders, "messages", "database"}


def test_secrets_come_as_files(compose: dict[str, Any]) -> None:
    # Shared keys only where Twilio was told to sign with them.
    sections = ("service", "twilio", "pins", "backup")
    needed = {k for section, k in SECRETS if section in sections} - {"shared_keys"}
    assert set(compose["x-node"]["secrets"]) == {*needed, "database.pass"}
    assert set(compose["secrets"]) == {*needed, "database.pass", "database.txt"}
    for each in compose["services"].values():
        assert set(each.get("secrets", [])) <= set(compose["secrets"])
        assert not [
            name for name in each.get("environment", {}) if "PASSWORD" in name and not name.endswith("_FILE")
        ]


def test_whatever_is_waited_for_is_there(compose: dict[str, Any]) -> None:
    for each in compose["services"].values():
        assert set(each.get("depends_on", [])) <= set(compose["services"])
    assert compose["services"]["database"]["healthcheck"]["test"][0] == "CMD"


def balancer() -> dict[str, list[list[str]]]:
    """The sections of haproxy.cfg, each line in words."""
    found: dict[str, list[list[str]]] = {}
    for line in (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", " ")):
            found[line] = []
        elif line.strip() and not line.strip().startswith("#"):
            found[next(reversed(found))].append(line.split())
    return found


def test_the_balancer_asks_who_is_ready_and_nothing_sticks(compose: dict[str, Any]) -> None:
    nodes = balancer()["backend nodes"]
    assert ["option", "httpchk", "GET", "/readyz"] in nodes
    servers = [line[2] for line in nodes if line[0] == "server"]
    assert servers == [f"{name}:8080" for name in compose["services"] if name.startswith("webhooks-")]
    assert ["balance", "roundrobin"] in nodes
    assert not re.search(r"\b(cookie|stick)\b", (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8"))
    # Without its body a request cannot be asked again: a node that is killed would cost a turn.
    assert any(line[0] == "retry-on" for line in balancer()["defaults"])
    assert ["option", "http-buffer-request"] in balancer()["defaults"]
    # A console's form is sent once.
    assert ["retries", "0"] in balancer()["backend console"]


def test_the_balancer_waits_for_an_answer_and_for_no_longer_than_twilio() -> None:
    (server,) = (seconds(line[2]) for line in balancer()["defaults"] if line[:2] == ["timeout", "server"])
    (retries,) = (int(line[1]) for line in balancer()["defaults"] if line[0] == "retries")
    assert server > SHIPPED["READ_SECONDS"] + SHIPPED["WRITE_SECONDS"] + 0.5
    # Twilio waits for 15 s in all.
    assert retries >= 1
    assert server * (1 + retries) <= 12


# -- systemd -----------------------------------------------------------------------------------


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / name).read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", ["ivr.service", "ivr@.service"])
def test_a_unit_may_do_no_more_than_it_needs(name: str) -> None:
    found = unit(name)
    for key, value in {
        "User": "ivr",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "ReadWritePaths": "/var/lib/ivr",
        "StateDirectory": "ivr",
        "UMask": "0077",
        # Files in /dev/shm that are the service's own would go with a restart.
        "RemoveIPC": "no",
        "Restart": "always",
        "StartLimitIntervalSec": "0",
    }.items():
        assert found[key] == [value], key
    assert seconds(found["TimeoutStopSec"][0]) > GRACE
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    # Only the supervisor is told to end; it tells the parts.
    assert found["KillMode"] == ["mixed"]


def test_the_parts_are_units_as_the_whole_is() -> None:
    whole, part = unit("ivr.service"), unit("ivr@.service")
    assert part["ExecStart"] == [f"{whole['ExecStart'][0]} --only %i"]
    assert part["Conflicts"] == ["ivr.service"]
    assert part["PartOf"] == part["WantedBy"] == part["ReloadPropagatedFrom"] == ["ivr.target"]
    different = {"Description", "ExecStart", "PartOf", "ReloadPropagatedFrom", "Conflicts", "WantedBy"}
    assert {k: v for k, v in whole.items() if k not in different} == {
        k: v for k, v in part.items() if k not in different
    }
    assert unit("ivr.target")["WantedBy"] == ["multi-user.target"]


def systemd_analyze(*arguments: str) -> str:
    """What it says; it must be content. Else skips, or fails under REQUIRE_ALL=1."""
    program = shutil.which("systemd-analyze")
    if program is None:
        reason = "systemd-analyze is missing (Debian: systemd): units cannot be held against it"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_takes_the_units_and_finds_them_shut(tmp_path: Path) -> None:
    for each in (DEPLOY / "systemd").glob("ivr*.*"):
        # It looks whether the program is there.
        text = each.read_text(encoding="utf-8").replace("/opt/ivr/bin/ivr", "/bin/true")
        (tmp_path / each.name).write_text(text, encoding="utf-8")
    names = ["ivr.service", "ivr.target", *(f"ivr@{part}.service" for part in PARTS)]
    assert systemd_analyze("verify", *(str(tmp_path / name) for name in names)) == ""
    # In tenths of what it calls exposure, of which 100 is everything.
    for name in ("ivr.service", "ivr@.service"):
        systemd_analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(tmp_path / name))


# -- what they are told to configure ---------------------------------------------------------------


def test_what_the_compose_file_says_of_the_configuration_fits_it() -> None:
    said = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    example = EXAMPLE.read_text(encoding="utf-8")
    for key in ("listen", "state", "keys", "url"):
        assert re.search(rf"(?m)^{key} = ", example), key
        assert key in said
