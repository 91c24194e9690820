// The form of a new rehearsal: a day that is typed is the one that is meant.
"use strict";

const at = document.getElementById("at");
at.addEventListener("input", () => {
  document.querySelector('[name="when"][value="other"]').checked = true;
});
document.querySelector('[name="when"][value="other"]').addEventListener("change", () => at.focus());
