// Planning with the mouse: draw a stretch over days to choose from when to when; drop somebody on a turn.
// Either leads to the form, filled in; nothing is changed here. Everything can be done in the form alone.
"use strict";

(() => {
  const grid = document.querySelector("[data-form]");
  if (!grid) return;
  const rows = [...grid.querySelectorAll(".lanes")];
  const snap = Number(grid.dataset.snap);
  const now = Number(grid.dataset.now);
  // Pixels within which a hand-over attracts, and beyond which a press is a drag.
  const NEAR = 7;
  const STARTS = 6;
  const spoken = new Intl.DateTimeFormat(document.documentElement.lang, {
    timeZone: grid.dataset.zone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
  });
  let drag = null;
  // Given up while the button is still held.
  let abandoned = false;
  let bubble = null;

  const edgesOf = (row) => row.dataset.edges.split(",").map(Number);

  // The instant (seconds) under a place of a row: at a hand-over if one is near, else at a round time of the day.
  function instantAt(row, x, marks) {
    const box = row.getBoundingClientRect();
    const edges = edgesOf(row);
    const part = Math.min(Math.max((x - box.left) / box.width, 0), 1) * 7;
    const day = Math.min(Math.floor(part), 6);
    const length = edges[day + 1] - edges[day];
    const exact = edges[day] + (part - day) * length;
    const second = box.width / 7 / length;
    const near = marks.filter((mark) => Math.abs(mark - exact) * second <= NEAR);
    if (near.length) return near.reduce((a, b) => (Math.abs(a - exact) < Math.abs(b - exact) ? a : b));
    return Math.min(edges[day] + Math.round((exact - edges[day]) / snap) * snap, edges[day + 1]);
  }

  function percentOf(row, at) {
    const edges = edgesOf(row);
    if (at <= edges[0]) return 0;
    for (let day = 0; day < 7; day += 1) {
      if (at < edges[day + 1]) return ((day + (at - edges[day]) / (edges[day + 1] - edges[day])) * 100) / 7;
    }
    return 100;
  }

  // The row under the pointer, or the nearest one.
  function rowAt(y) {
    const far = (row) => {
      const box = row.getBoundingClientRect();
      return Math.max(box.top - y, y - box.bottom, 0);
    };
    return rows.reduce((a, b) => (far(b) < far(a) ? b : a));
  }

  function marksOf(rung) {
    return [...grid.querySelectorAll(`a.turn[data-rung="${rung}"]`)].flatMap((a) => [Number(a.dataset.start), Number(a.dataset.end)]);
  }

  function say(x, y, text) {
    if (!bubble) {
      bubble = document.createElement("div");
      bubble.className = "said-by-drag";
      document.body.append(bubble);
    }
    bubble.textContent = text;
    bubble.style.left = `${Math.min(x + 14, window.innerWidth - bubble.offsetWidth - 4)}px`;
    bubble.style.top = `${y + 16}px`;
  }

  function draw() {
    for (const old of grid.querySelectorAll(".drawn")) old.remove();
    const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    for (const row of rows) {
      const edges = edgesOf(row);
      if (to <= edges[0] || from >= edges[7] || from === to) continue;
      const [x, end] = [percentOf(row, from), percentOf(row, to)];
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const step = Number(row.dataset.step);
      rect.setAttribute("class", "drawn");
      rect.setAttribute("x", `${x}%`);
      rect.setAttribute("width", `${end - x}%`);
      rect.setAttribute("y", (drag.rung - 1) * step);
      rect.setAttribute("height", step);
      rect.setAttribute("rx", 4);
      row.append(rect);
    }
  }

  function end() {
    for (const old of grid.querySelectorAll(".drawn")) old.remove();
    for (const old of document.querySelectorAll(".aimed, .held")) old.classList.remove("aimed", "held");
    document.body.classList.remove("dragging");
    if (bubble) bubble.remove();
    bubble = drag = null;
  }

  function go(values) {
    const address = new URL(grid.dataset.form, window.location.href);
    for (const [name, value] of Object.entries(values)) address.searchParams.set(name, value);
    window.location.assign(address);
  }

  const iso = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "+00:00");

  grid.addEventListener("pointerdown", (event) => {
    const row = event.target.closest(".lanes");
    if (!row || event.button !== 0 || !event.isPrimary) return;
    const step = Number(row.dataset.step);
    const rung = Math.floor((event.clientY - row.getBoundingClientRect().top) / step) + 1;
    if (rung > Number(row.dataset.rungs)) return;
    const marks = marksOf(rung);
    const at = instantAt(row, event.clientX, marks);
    drag = { kind: "stretch", rung, marks, from: at, to: at, x: event.clientX, y: event.clientY, moved: false };
  });

  document.addEventListener("pointerdown", (event) => {
    const chip = event.target.closest(".chip[data-person]");
    if (!chip || event.button !== 0 || !event.isPrimary) return;
    drag = { kind: "person", chip, x: event.clientX, y: event.clientY, moved: false };
    if (chip.hasPointerCapture(event.pointerId)) chip.releasePointerCapture(event.pointerId);
  });

  // What can be dropped on lies under the pointer: turns and holes that are not over.
  function aimedAt(event) {
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const turn = under && under.closest("a.turn[data-start]");
    return turn && Number(turn.dataset.end) > now ? turn : null;
  }

  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!drag.moved && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < STARTS) return;
    drag.moved = true;
    document.body.classList.add("dragging");
    if (drag.kind === "stretch") {
      drag.to = instantAt(rowAt(event.clientY), event.clientX, drag.marks);
      draw();
      const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
      say(event.clientX, event.clientY, `${spoken.format(from * 1000)} – ${spoken.format(to * 1000)}`);
      return;
    }
    drag.chip.classList.add("held");
    for (const old of grid.querySelectorAll(".aimed")) old.classList.remove("aimed");
    const turn = aimedAt(event);
    if (turn) turn.classList.add("aimed");
    say(event.clientX, event.clientY, turn ? `${drag.chip.textContent} → ${turn.getAttribute("aria-label")}` : drag.chip.textContent);
  });

  // The click that follows a drag opens nothing.
  function swallowClick() {
    const swallow = (click) => {
      click.preventDefault();
      click.stopPropagation();
    };
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 0);
  }

  document.addEventListener("pointerup", (event) => {
    if (abandoned) swallowClick();
    abandoned = false;
    if (!drag) return;
    const done = drag;
    const turn = done.kind === "person" && done.moved ? aimedAt(event) : null;
    end();
    if (!done.moved) return;
    swallowClick();
    if (turn) {
      go({ rung: turn.dataset.rung, from: iso(Math.max(Number(turn.dataset.start), now)), to: iso(Number(turn.dataset.end)), who: done.chip.dataset.person });
    } else if (done.kind === "stretch") {
      const [from, to] = [Math.min(done.from, done.to), Math.max(done.from, done.to)];
      if (to > from) go({ rung: done.rung, from: iso(from), to: iso(to) });
    }
  });

  document.addEventListener("pointercancel", end);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag) return;
    abandoned = drag.moved;
    end();
  });
  // Links are not to be dragged as links.
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest && event.target.closest("a.turn, .chip")) event.preventDefault();
  });
})();
