"""The papers: a site in which every link leads somewhere, every page has one place, and what is written from
the code is what the code says today.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from making import ROOT
from markdown_it import MarkdownIt
from playwright.sync_api import Browser

sys.path.insert(0, str(ROOT / "docs"))
import api
import commands
import configuration
import lists
import metrics
import operations
import transcripts

DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
# What each script writes into a page. docs/roles.py needs the console: tests/pages/test_rights.py.
WRITTEN = {
    "api.md": (api.table, "docs/api.py"),
    "commands.md": (commands.pages, "docs/commands.py"),
    "configuration.md": (configuration.tables, "docs/configuration.py"),
    "operations.md": (operations.page, "docs/operations.py"),
    "watching.md": (metrics.table, "docs/metrics.py"),
}
# What must be the same however a page is read.
PARTS = ("h1", "h2", "h3", "ul", "ol", "li", "table", "tr", "pre", "blockquote", "img", "strong")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a warning is a failure."""
    if find_spec("mkdocs") is None or find_spec("material") is None:
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail("needs mkdocs and mkdocs-material (the extra docs)", pytrace=False)
        pytest.skip("needs mkdocs and mkdocs-material (the extra docs)")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        # Never --quiet: it counts no warnings, so that nothing would be strict.
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def parsed(text: str) -> str:
    """A page as HTML, as forges read it."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def counted(html: str) -> Counter[str]:
    found = Counter(re.findall(r"<([a-z0-9]+)[\s>/]", html))
    return Counter({part: found[part] for part in PARTS if found[part]})


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    said = re.findall(r"<h[1-6]>(.*?)</h[1-6]>", parsed(file.read_text(encoding="utf-8")), re.DOTALL)
    plain = (re.sub(r"<[^>]*>|&[a-z]+;", "", each).lower() for each in said)
    return {re.sub(r"[^\w\- ]", "", each).replace(" ", "-") for each in plain}


def test_every_link_leads_somewhere_and_the_site_asks_no_other_host(site: Path) -> None:
    built = sorted(page.relative_to(site).with_suffix(".md").as_posix() for page in site.rglob("*.html"))
    assert built == sorted([*PAGES, "404.md"])
    for page in site.rglob("*.html"):
        for tag in re.findall(
            r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text(encoding="utf-8")
        ):
            assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag), f"{page.name}: {tag}"
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\((?![\"']?data:)", style.read_text(encoding="utf-8")), style.name


def test_a_page_says_the_same_on_the_site_as_in_the_repository(site: Path) -> None:
    for page in PAGES:
        html = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        article = html[html.index("<article") : html.index("</article>")]
        there = counted(parsed((DOCS / page).read_text(encoding="utf-8")))
        assert counted(article) == there, f"{page}: is an empty line missing before a list or a table?"


def test_what_belongs_to_a_point_is_given_four_blanks_for_each_list() -> None:
    lines = [
        "1. a",
        "",
        "   ```",
        "     x",
        "   ```",
        "   b",
        "   - c",
        "     d",
        "2. e",
        "",
        "```",
        "- f",
        "  g",
        "```",
    ]
    told = ["1. a", "", "    ```", "      x", "    ```", "    b", "    - c", "        d", *lines[8:]]
    assert lists.on_page_markdown("\n".join(lines)).split("\n") == told


def test_a_reader_finds_a_page_in_a_folder_without_any_server(site: Path, chrome: Browser) -> None:
    page = chrome.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "decisions" / "0003-only-a-key-counts.html").as_uri())
    page.locator("[data-md-component=search-query]").click()
    page.keyboard.type("peppers")
    page.locator(".md-search-result__link[href*='secrets.html']").first.wait_for()
    page.close()
    assert all(address.startswith("file:") for address in asked)


def test_every_page_stands_in_the_contents_once() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"(?m)^ +- (?:[^:\n]+: )?(\S+\.md)$", contents)
    assert sorted(listed) == PAGES


@pytest.mark.parametrize("page", WRITTEN)
def test_what_is_written_from_the_code_is_what_the_code_says(page: str) -> None:
    write, script = WRITTEN[page]
    text = (DOCS / page).read_text(encoding="utf-8")
    stands = text.partition(f"<!-- written by {script} -->\n")[2].partition("<!-- to here -->")[0]
    assert stands.strip() == write().strip(), f"run `python {script}`, or `make references`"


def test_every_option_says_what_it_is_for() -> None:
    assert (
        re.findall(
            r"(?m)^\| `.*` \| *(?:\[required\])? *\|$", (DOCS / "commands.md").read_text(encoding="utf-8")
        )
        == []
    )


def test_every_key_says_what_it_is_for() -> None:
    keys = re.findall(r"(?m)^\| `.*\| (.*) \|$", (DOCS / "configuration.md").read_text(encoding="utf-8"))
    assert len(keys) > 100
    assert all(len(said.split()) > 1 for said in keys)


@pytest.mark.parametrize(("first", "language"), list(enumerate(transcripts.TITLES)))
def test_the_calls_are_heard_as_they_stand_there(first: int, language: str) -> None:
    """A third of them in each language; if not: `make transcripts`."""
    text = (DOCS / f"transcripts-{language}.md").read_text(encoding="utf-8")
    for name in transcripts.TEN[first::3]:
        title, told = transcripts.transcript(name, language)
        assert "\n".join(("## " + title, "", "```", *told, "```", "")) in text, name


def test_each_script_that_writes_a_page_is_asked() -> None:
    marked = re.compile(r"<!-- written by (docs/\w+\.py) -->")
    found = {name for page in PAGES for name in marked.findall((DOCS / page).read_text(encoding="utf-8"))}
    assert found == {script for _, script in WRITTEN.values()} | {"docs/roles.py"}


def test_the_links_of_the_readme_lead_somewhere() -> None:
    html = parsed((ROOT / "README.md").read_text(encoding="utf-8"))
    links = re.findall(r"""<(?:a|img)\b[^>]*?(?:href|src)="([^"]+)\"""", html)
    assert len(links) > 20
    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = ROOT / (path or "README.md")
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_no_page_knows_the_machine_it_was_written_on() -> None:
    here = "|".join(re.escape(str(path)) for path in (ROOT, Path(sys.prefix)) if len(path.parts) > 2)
    somebody = re.compile(rf"(?<![\w.])(?:/home/|/root/|/Users/|{here or '/home/'})")
    for file in (*DOCS.rglob("*.md"), *DOCS.rglob("*.json"), ROOT / "README.md", ROOT / "mkdocs.yml"):
        assert not somebody.search(file.read_text(encoding="utf-8")), file.name
