"""Writes what the program consists of as a bill of materials: CycloneDX 1.6, JSON.

`python supply/sbom.py FILE`. It lists what the lock file of a serving machine pins: name, version, hashes,
licence, and who asks for it. The same lock gives the same bytes. Existing tools know either the hashes (from
a lock) or the licences (from what is installed), not both; the form is small, and a test holds it against
its schema.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
import uuid
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from supply.licences import licence  # noqa: E402 (the path comes first)
from supply.locked import PROJECT, SERVER, Locked, read  # noqa: E402


def bill(lock: Path = SERVER) -> dict[str, Any]:
    """The bill of materials of what `lock` pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = read(lock)
    top = f"pkg:pypi/{PROJECT}@{project['version']}"
    content = hashlib.sha256(lock.read_bytes() + top.encode()).digest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same content has the same number.
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=content[:16], version=4)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": top,
                "name": PROJECT,
                "version": project["version"],
                "description": project["description"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": top,
            }
        },
        "components": [_component(each) for each in packages],
        "dependencies": _dependencies(top, packages),
    }


def _purl(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.version}"


def _component(package: Locked) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.version,
        # Of each file that may be installed: one for each kind of machine.
        "hashes": [{"alg": "SHA-256", "content": each} for each in package.hashes],
        "purl": _purl(package),
    }
    with suppress(metadata.PackageNotFoundError):  # it is of use on other machines only
        found["licenses"] = [{"expression": licence(package.name)}]
    if package.marker:
        found["properties"] = [{"name": "python:marker", "value": package.marker}]
    return found


def _dependencies(top: str, packages: list[Locked]) -> list[dict[str, Any]]:
    refs = {PROJECT: top} | {each.name: _purl(each) for each in packages}
    asks: dict[str, list[str]] = {ref: [] for ref in refs.values()}
    for each in packages:
        for by in each.via:
            asks[refs[by]].append(_purl(each))
    return [{"ref": ref, "dependsOn": sorted(needed)} for ref, needed in asks.items()]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(), indent=1) + "\n", encoding="utf-8")
