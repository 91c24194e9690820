// A telephone in the browser: it speaks what is heard, plays its tones, takes the computer's keys and lets time run.
// Without this, every button of the page works as a form.
"use strict";

(() => {
  const stage = document.getElementById("stage");
  const voice = document.getElementById("voice");
  const run = document.getElementById("run");
  const speed = document.getElementById("speed");
  const heard = document.getElementById("heard");
  const seen = `rehearsal-${stage.dataset.key}`;
  const speech = window.speechSynthesis;
  const scene = () => document.getElementById("rehearsal");

  document.getElementById("toolbar").hidden = false;
  if (!speech) voice.hidden = document.getElementById("listen").hidden = true;

  // -- the voice -------------------------------------------------------------------------------------

  let speaking = 0; // utterances on their way
  let promptBegan = null; // when the first sentence began that a key would stop
  let round = 0; // utterances of an earlier round count no more

  const loud = () => Boolean(speech) && voice.getAttribute("aria-pressed") === "true";

  function silence() {
    round += 1;
    speaking = 0;
    promptBegan = null;
    if (speech) speech.cancel();
  }

  function say(sentences) {
    const mine = round;
    for (const each of sentences) {
      const utterance = new SpeechSynthesisUtterance(each.textContent.trim());
      utterance.lang = each.lang;
      if (each.dataset.to === "other") utterance.pitch = 0.7;
      const over = () => {
        if (mine === round) speaking -= 1;
      };
      utterance.addEventListener("end", over);
      utterance.addEventListener("error", over);
      utterance.addEventListener("start", () => {
        if (mine === round && "prompt" in each.dataset && promptBegan === null) promptBegan = performance.now();
      });
      speaking += 1;
      speech.speak(utterance);
    }
  }

  // What the latest move brought; said once, also when the page is loaded again.
  function tell() {
    const move = Number(scene().dataset.move);
    if (move <= Number(sessionStorage.getItem(seen) || 0)) return;
    sessionStorage.setItem(seen, String(move));
    const fresh = [...document.querySelectorAll("#sentences li")];
    if (!fresh.length) return;
    heard.textContent = fresh.map((each) => each.textContent.trim()).join(" ");
    if (!loud()) return;
    silence();
    say(fresh);
  }

  voice.addEventListener("click", () => {
    voice.setAttribute("aria-pressed", String(!loud()));
    localStorage.setItem("rehearsal-voice", loud() ? "on" : "off");
    if (!loud()) silence();
  });
  if (localStorage.getItem("rehearsal-voice") === "off") voice.setAttribute("aria-pressed", "false");

  document.getElementById("listen").addEventListener("click", () => {
    silence();
    say([...document.querySelectorAll(".lanes q")]);
  });

  // -- tones -----------------------------------------------------------------------------------------

  const LOW = [697, 770, 852, 941];
  const HIGH = [1209, 1336, 1477];
  const PAD = "123456789*0#";
  let audio = null;

  function tone(pitches, seconds) {
    if (!loud() || !window.AudioContext || !navigator.userActivation?.hasBeenActive) return;
    audio ??= new AudioContext();
    const volume = audio.createGain();
    volume.gain.value = 0.04;
    volume.connect(audio.destination);
    for (const pitch of pitches) {
      const oscillator = audio.createOscillator();
      oscillator.frequency.value = pitch;
      oscillator.connect(volume);
      oscillator.start();
      oscillator.stop(audio.currentTime + seconds);
    }
  }

  function keyTone(key) {
    const place = PAD.indexOf(key);
    tone([LOW[Math.floor(place / 3)], HIGH[place % 3]], 0.12);
  }

  // The Italian tone of a phone that rings: a second in five.
  setInterval(() => {
    if (["ringing", "whispering"].includes(scene().dataset.state) && !speaking && !document.hidden) tone([425], 1);
  }, 5000);

  // -- moves -----------------------------------------------------------------------------------------

  // One after the other, in the order in which they were made; keys that wait are sent together.
  const moves = [];
  let sending = false;

  async function flush() {
    if (sending || !moves.length) return;
    sending = true;
    const { url, values } = moves.shift();
    if ("keys" in values) {
      const asked = scene().dataset.asked;
      values.who = asked === "caller" ? "" : asked;
      while (moves.length && "keys" in moves[0].values) values.keys += moves.shift().values.keys;
    }
    try {
      // Settled at once: until then the new scene has the old one's data, and nothing is spoken.
      await htmx.ajax("POST", url, { source: stage, target: "#rehearsal", swap: "outerHTML settle:0ms", values });
    } finally {
      sending = false;
      flush();
    }
  }

  function move(url, values) {
    moves.push({ url, values });
    flush();
  }

  function press(key) {
    const values = { keys: key };
    if (speaking) values.after = (promptBegan === null ? 0 : (performance.now() - promptBegan) / 1000).toFixed(1);
    keyTone(key);
    silence();
    move(stage.dataset.do, values);
  }

  // With a mouse a key counts as it goes down, as on a telephone: while the button is held the scene may be
  // replaced, and then there is no click.
  let down = false;

  stage.addEventListener("pointerdown", (event) => {
    const button = event.target.closest('button[name="keys"]');
    if (!button || event.pointerType !== "mouse" || event.button !== 0) return;
    down = true;
    press(button.value);
  });

  document.addEventListener("pointerup", () => {
    setTimeout(() => (down = false)); // after the click, if there is one
  });

  stage.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter;
    if (button && button.name === "keys") {
      if (!down) press(button.value);
      return;
    }
    silence();
    move(event.target.action, Object.fromEntries(new FormData(event.target, button)));
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    if (event.key.length !== 1 || !PAD.includes(event.key)) return;
    event.preventDefault();
    press(event.key);
  });

  // -- time ------------------------------------------------------------------------------------------

  run.addEventListener("click", () => {
    run.setAttribute("aria-pressed", String(run.getAttribute("aria-pressed") !== "true"));
  });

  setInterval(() => {
    const runs = run.getAttribute("aria-pressed") === "true";
    // A question is silent only once it has been said; whoever types in a field is not disturbed.
    const busy = speaking || sending || document.hidden || document.activeElement.matches("#stage input");
    if (runs && !busy) move(stage.dataset.tick, { n: speed.value });
  }, 1000);

  for (const failed of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(failed, () => {
      moves.length = 0;
      run.setAttribute("aria-pressed", "false");
    });
  }

  // -- after a move ----------------------------------------------------------------------------------

  let inside = false; // whether the focus was in what is replaced

  document.addEventListener("htmx:beforeSwap", () => {
    inside = scene().contains(document.activeElement);
  });

  document.addEventListener("htmx:afterSettle", () => {
    tell();
    // What had the focus may be gone: then it goes to what there is to do next.
    if (inside && !scene().contains(document.activeElement)) {
      (scene().querySelector("[data-focus]") || scene()).focus({ preventScroll: true });
    }
    inside = false;
  });

  tell();
})();
