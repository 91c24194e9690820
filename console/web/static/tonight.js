// Tonight refreshes itself. What changed is said once to whoever listens; that it no longer refreshes is shown.
"use strict";

const said = document.getElementById("tonight-said");
const stale = document.getElementById("tonight-stale");

function sentence() {
  const verdict = document.querySelector("#tonight-live [data-said]");
  return verdict ? verdict.textContent.replace(/\s+/g, " ").trim() : "";
}

let last = sentence();

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "tonight-live") return;
  stale.hidden = true;
  if (sentence() === last) return;
  last = sentence();
  said.textContent = last;
});

for (const failed of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(failed, () => {
    stale.hidden = false;
  });
}
