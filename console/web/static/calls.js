// A message that was played to its end has been heard.
"use strict";

document.addEventListener(
  "ended",
  (event) => {
    const message = event.target.closest(".message");
    const form = message && message.querySelector("form[data-heard]");
    if (form) form.requestSubmit();
  },
  true,
);
