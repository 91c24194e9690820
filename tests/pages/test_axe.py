"""Every page in a real browser, wide and narrow, light and dark: axe finds nothing, nothing sticks out,
everything is reached by keyboard and seen when it is, and the page is there without script. Pages are found
by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from crawling import areas, may
from playwright.sync_api import Page
from screens import DESK, PHONE, Tour

# What a narrow or dark page may do wrong that the wide and light one does not.
BY_LOOK = ["color-contrast", "link-in-text-block"]
# So many times Tab is pressed at most: a page of fifty lines has all its kinds of things before that.
MOST_TABS = 150
# Everything that takes the focus, as the browser understands it, without what is hidden or switched off. Of
# radio buttons of one name only one takes it.
FOCUSABLE = """() => {
  const all = [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, audio[controls], [tabindex]')];
  const groups = new Set();
  return all.filter((each) => {
    if (each.disabled || each.tabIndex < 0 || !each.checkVisibility({visibilityProperty: true})) return false;
    if (each.matches('input[type=radio]')) {
      const group = each.name + ' ' + (each.form ? [...document.forms].indexOf(each.form) : '');
      const chosen = [...document.getElementsByName(each.name)].some(
        (other) => other.checked && other.form === each.form);
      if (chosen ? !each.checked : groups.has(group)) return false;
      groups.add(group);
    }
    each.dataset.tabstop = 'yes';
    return true;
  }).map((each, i) => { each.dataset.tabstop = i; return each.outerHTML.slice(0, 120); });
}"""
# A field of a date or a time is made of parts, each of which Tab stops at; six at most, and one is counted.
PARTS = """() => 6 * document.querySelectorAll(
  'input[type=date], input[type=time], input[type=datetime-local]').length"""
# What a page asks for by itself now and then would replace what is being looked at.
AS_IT_IS = """() => ['htmx:beforeRequest', 'htmx:beforeSwap'].forEach(
  (name) => document.addEventListener(name, (event) => event.preventDefault()))"""
# The year has the day of today beside it, which it asks for first of all.
COMPLETE = """() => !document.querySelector('[data-day][aria-current="date"]')
  || document.querySelector('#day h3') !== null"""
# Every page begins with the way past its frame.
BEGIN = "() => { scrollTo(0, 0); document.querySelector('.skip').focus({focusVisible: true}); }"
END = "() => { document.activeElement?.blur(); scrollTo(0, 0); }"
# Which of them has the focus, and whether that can be seen.
FOCUSED = """() => {
  const on = document.activeElement;
  if (!on || on === document.body) return null;
  const look = getComputedStyle(on), box = on.getBoundingClientRect();
  const outlined = look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2;
  const seen = outlined && box.width > 0 && box.height > 0;
  return [on.dataset.tabstop ?? null, seen, on.outerHTML.slice(0, 120)];
}"""


@cache
def axe() -> str:
    return AXE_FILE_PATH.read_text(encoding="utf-8")


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe finds, each with where."""
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{each['id']}: {', '.join(str(node['target']) for node in each['nodes'][:4])}"
        for each in found["violations"]
    ]


def looked_at(page: Page) -> Iterator[str]:
    """What is wrong with a page, wide and narrow, light and dark."""
    page.evaluate(AS_IT_IS)
    page.wait_for_function(COMPLETE)
    page.evaluate(axe())
    for name, size in (("wide", DESK), ("narrow", PHONE)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")
        yield from (f"{name}: {each}" for each in violations(page))
        if page.evaluate("document.scrollingElement.scrollWidth > innerWidth"):
            yield f"{name}: it sticks out"
        page.emulate_media(color_scheme="dark")
        yield from (f"{name}, dark: {each}" for each in violations(page, BY_LOOK))
        page.emulate_media(color_scheme="light")
        yield from (f"{name}: {each}" for each in tabbed(page))


def tabbed(page: Page) -> Iterator[str]:
    """What is wrong with the way of the Tab key through the page."""
    stops = page.evaluate(FOCUSABLE)
    page.evaluate(BEGIN)
    reached: list[int] = []
    for number in range(min(len(stops), MOST_TABS) + 12 + page.evaluate(PARTS)):
        if number:
            page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found is None:
            break
        stop, seen, what = found
        if stop is None:
            yield f"Tab reaches what should not take the focus: {what}"
            continue
        if reached and reached[-1] == int(stop):
            continue  # a field of several parts: a date, a player
        if int(stop) in reached:
            break
        reached.append(int(stop))
        if not seen:
            yield f"the focus is not seen on {what}"
    wanted = list(range(min(len(stops), MOST_TABS)))
    if missed := sorted(set(wanted) - set(reached)):
        yield f"Tab does not reach {[stops[each] for each in missed[:3]]}"
    elif reached[: len(wanted)] != wanted:
        yield f"Tab goes another way than the page is read: {reached}"
    page.evaluate(END)


def visit(tour: Tour, area: str, role: str) -> list[str]:
    wrong: list[str] = []
    pages = {name: path for name, path in tour.of(area).items() if may(name, role)}
    if area == "login":
        role_or_nobody, pages = None, tour.of("login")
    else:
        role_or_nobody = role
    page: Page | None = None
    for name, path in pages.items():
        if page is None:
            page = tour.screen.open("/login", role_or_nobody)
        answer = page.goto(tour.screen.address + path)
        if answer is None or answer.status >= 400:
            wrong.append(f"{name} answers {answer and answer.status}: is its example right?")
        wrong += [f"{name} {each}" for each in looked_at(page)]
        page.set_viewport_size(DESK)  # type: ignore[arg-type]
    if page is not None:
        page.context.close()
        tour.screen.contexts.clear()
    wrong += [f"it complains: {each}" for each in tour.screen.wrong]
    wrong += [f"it asks elsewhere: {each}" for each in tour.screen.elsewhere()]
    tour.screen.wrong.clear()
    tour.screen.asked.clear()
    return wrong


@pytest.mark.parametrize("area", areas())
def test_every_page_can_be_used_by_everybody(tour: Tour, area: str) -> None:
    assert visit(tour, area, "admin") == []


@pytest.mark.parametrize("area", ["duty", "account"])
def test_what_a_technician_sees_too(tour: Tour, area: str) -> None:
    assert visit(tour, area, "technician") == []


def words_of(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w{3,}", text)}


def test_every_page_is_there_without_script(tour: Tour) -> None:
    """What stands in the page with script is there without it."""
    missing = []
    whole, bare = tour.screen.open("/account", "admin"), tour.screen.open("/account", "admin", script=False)
    for name, path in tour.pages.items():
        if not may(name, "admin") or name.startswith("login."):
            continue
        for page in (whole, bare):
            page.goto(tour.screen.address + path)
        with_script, without = (words_of(page.locator("main").inner_text()) for page in (whole, bare))
        if len(with_script - without) > len(with_script) // 5 or not bare.locator("h1").inner_text():
            missing.append((name, sorted(with_script - without)[:10]))
    assert missing == []
    for page in (whole, bare):
        page.context.close()
    tour.screen.contexts.clear()
