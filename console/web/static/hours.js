// A day beside the year: the pointer or the focus shows it, a click holds it, arrows go from day to day.
// Without this, and where there is no room for it, a day is a page of its own.
"use strict";

(() => {
  const panel = document.getElementById("day");
  const days = [...document.querySelectorAll("a[data-day]")];
  const room = window.matchMedia("(min-width: 60rem)");
  const known = new Map();
  let held = null;
  let wanted = null;
  let shown = null;
  let waiting;

  document.body.classList.add("scripted-year");

  async function show(link) {
    wanted = link;
    if (!known.has(link.href)) {
      const answer = await fetch(link.href, { headers: { "HX-Request": "true" } });
      if (answer.headers.get("HX-Redirect")) {
        window.location = answer.headers.get("HX-Redirect");
        return;
      }
      if (!answer.ok) return;
      known.set(link.href, await answer.text());
    }
    if (wanted !== link || shown === link) return;
    shown = link;
    panel.innerHTML = known.get(link.href);
    for (const each of days) each.classList.toggle("shown", each === link);
  }

  function soon(event) {
    const link = event.target.closest("a[data-day]");
    clearTimeout(waiting);
    if (link && room.matches && !held) waiting = setTimeout(() => show(link), 120);
  }

  function hold(link) {
    if (held) held.classList.remove("held");
    held = link === held ? null : link;
    if (held) held.classList.add("held");
  }

  const months = document.getElementById("months");
  months.addEventListener("pointerover", soon);
  months.addEventListener("focusin", soon);
  months.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-day]");
    if (!link || !room.matches || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    clearTimeout(waiting);
    hold(link);
    await show(link);
    if (held) panel.querySelector("h3")?.focus({ preventScroll: true });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && held) {
      const link = held;
      hold(link);
      link.focus();
      return;
    }
    const steps = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7 };
    const place = days.indexOf(document.activeElement);
    const next = days[place + steps[event.key]];
    if (place >= 0 && next) {
      event.preventDefault();
      next.focus();
    }
  });

  const today = days.find((each) => each.getAttribute("aria-current") === "date");
  if (today && room.matches) show(today);
})();
