// What every page may use. Everything works without it; it only saves a click.
"use strict";

// <button data-copy="text">: into the clipboard.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button && navigator.clipboard) {
    navigator.clipboard.writeText(button.dataset.copy).then(() => {
      button.textContent = button.dataset.copied || button.textContent;
    });
  }
});

// <select data-submit>, <input data-submit>: a change sends its form.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// <form data-ask="…">: asked before it is sent.
document.addEventListener("submit", (event) => {
  const text = event.target.dataset.ask;
  if (text && !window.confirm(text)) event.preventDefault();
});

// A form that must not be sent twice carries `once`: a second press of its button does nothing.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !event.target.elements.once) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("[data-sent]").forEach((form) => delete form.dataset.sent);
});
