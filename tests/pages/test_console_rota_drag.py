"""Planning with the mouse and with the keyboard alone, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from browser import choose
from making import rome
from playwright.sync_api import Page, expect
from visitors import Console

from oncall.rota import roster

if TYPE_CHECKING:
    from screens import Screen


def on_duty(console: Console, at: str) -> list[str]:
    with console.house.database.read() as connection:
        return [duty.technician for duty in roster.book(connection, "duty").ladder(rome(at))]


def place(page: Page, week: int, day: float, rung: int = 1) -> tuple[float, float]:
    """Where an instant lies on the screen: `day` days after the Monday of a week of the month."""
    box = page.locator(".lanes").nth(week).bounding_box()
    assert box
    return box["x"] + box["width"] * day / 7, box["y"] + (rung - 1) * 34 + 15


def test_an_override_is_drawn_seen_and_saved(screen: Screen) -> None:
    page = screen.open("/rota?month=2026-03")
    page.mouse.move(*place(page, 2, 3 + 9 / 24))
    page.mouse.down()
    page.mouse.move(*place(page, 2, 5), steps=4)
    page.mouse.move(*place(page, 2, 5 + 20 / 24), steps=2)
    expect(page.locator(".drawn")).to_have_count(1)
    page.mouse.up()
    # Thursday the 12th at nine to Saturday the 14th at eight in the evening.
    expect(page.get_by_label("Da", exact=True)).to_have_value("2026-03-12T09:00")
    expect(page.get_by_label("A", exact=True)).to_have_value("2026-03-14T20:00")
    page.get_by_label("Chi prende il turno").select_option("Bruno Bianchi")
    page.get_by_role("button", name="Anteprima").click()
    expect(page.get_by_role("heading", name="Che cosa cambia")).to_be_visible()
    assert on_duty(screen.console, "2026-03-13 12:00") == ["anna", "dario"]
    page.get_by_role("button", name="Conferma").click()
    expect(page.get_by_role("status")).to_have_text("La sostituzione è salvata.")
    label = "Bruno Bianchi, livello 1, da gio 12 mar 09:00 a sab 14 mar 20:00 (sostituzione)"
    expect(page.locator(".lanes").get_by_label(label)).to_be_visible()
    assert on_duty(screen.console, "2026-03-13 12:00") == ["bruno", "dario"]


def test_a_stretch_is_drawn_over_the_end_of_a_week(screen: Screen) -> None:
    page = screen.open("/rota?month=2026-03")
    page.mouse.move(*place(page, 2, 6.5, rung=2))
    page.mouse.down()
    page.mouse.move(*place(page, 3, 1.5, rung=2), steps=5)
    expect(page.locator(".drawn")).to_have_count(2)
    page.mouse.up()
    expect(page.get_by_label("Da", exact=True)).to_have_value("2026-03-15T12:00")
    expect(page.get_by_label("A", exact=True)).to_have_value("2026-03-17T12:00")
    expect(page.get_by_label("Livello", exact=True)).to_have_value("2")


def test_somebody_is_dropped_on_a_turn(screen: Screen) -> None:
    page = screen.open("/rota?month=2026-03")
    chip = page.locator(".chip", has_text="Dario Neri").bounding_box()
    assert chip
    page.mouse.move(chip["x"] + 10, chip["y"] + 10)
    page.mouse.down()
    page.mouse.move(*place(page, 3, 3), steps=5)
    page.mouse.up()
    expect(page.get_by_label("Chi prende il turno")).to_have_value("dario")
    expect(page.get_by_label("Da", exact=True)).to_have_value("2026-03-16T18:30")
    expect(page.get_by_label("A", exact=True)).to_have_value("2026-03-23T18:30")


def test_a_click_opens_the_turn_and_escape_gives_up(screen: Screen) -> None:
    page = screen.open("/rota?month=2026-03")
    page.mouse.move(*place(page, 2, 3))
    page.mouse.down()
    page.mouse.move(*place(page, 2, 4), steps=3)
    expect(page.locator(".drawn")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".drawn")).to_have_count(0)
    page.mouse.up()
    page.mouse.click(*place(page, 3, 3))
    expect(page.get_by_role("heading", name="Turno di Bruno Bianchi")).to_be_visible()


def test_the_same_by_the_keyboard_alone(screen: Screen) -> None:
    page = screen.open("/rota?month=2026-03")
    turn = page.locator(".lanes").get_by_label("Anna Rossi, livello 1, da lun 9 mar 18:30 a lun 16 mar 18:30")
    page.get_by_role("link", name="Settimana", exact=True).focus()
    for _ in range(25):
        page.keyboard.press("Tab")
        if turn.first.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Turno di Anna Rossi")).to_be_visible()
    page.get_by_role("link", name="Sostituisci in questo turno").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Chi prende il turno").focus()
    choose(page, "Carla")
    page.get_by_role("button", name="Anteprima").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Conferma").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("La sostituzione è salvata.")
    assert on_duty(screen.console, "2026-03-13 12:00") == ["carla", "dario"]


def test_without_script_and_on_a_phone_there_is_a_list_of_days(screen: Screen) -> None:
    page = screen.open("/rota?month=2026-03", phone=True, script=False)
    expect(page.locator(".grid")).to_be_hidden()
    expect(page.get_by_role("heading", name="mercoledì 11 marzo")).to_be_visible()
    link = page.get_by_label("Bruno Bianchi, livello 1, da lun 16 mar 18:30 a lun 23 mar 18:30").locator(
        "visible=true"
    )
    link.first.click()
    expect(page.get_by_role("heading", name="Turno di Bruno Bianchi")).to_be_visible()


def test_the_form_of_the_rules_grows_without_loading_the_page(screen: Screen) -> None:
    page = screen.open("/rota/rules/form")
    page.get_by_role("button", name="Aggiungi un livello").click()
    expect(page.get_by_role("heading", name="Livello 3")).to_be_visible()
    page.get_by_role("button", name="Sposta Bruno Bianchi prima").click()
    expect(page.locator("#r0-person-0")).to_have_value("bruno")
    page.get_by_role("button", name="Togli il livello 3").click()
    expect(page.get_by_role("heading", name="Livello 3")).to_have_count(0)
    page.locator("#look").click()
    expect(page.get_by_role("heading", name="Anteprima")).to_be_visible()
