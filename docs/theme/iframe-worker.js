// The search of the site runs in a worker. Browsers start none for pages that are read from a folder, without a
// server: there a hidden frame of the same page takes its place, with the few things a worker has that are used.
"use strict";

if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.inside = frame.contentWindow;
      this.waiting = [];
      const page = this.inside.document;
      // Written at once: some browsers else put another document into the frame a moment later.
      page.open();
      page.write("<!doctype html><head></head><body></body>");
      page.close();

      // What it answers goes to whoever listens here.
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      // One script after the other, as importScripts does; the search waits for the promise.
      this.inside.importScripts = async (...addresses) => {
        for (const each of addresses) await load(page, each);
      };
      load(page, address).then(() => {
        for (const data of this.waiting) this.deliver(data);
        this.waiting = null;
      });
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.deliver(data);
    }

    deliver(data) {
      this.inside.dispatchEvent(new MessageEvent("message", { data }));
    }
  }

  const load = (page, address) =>
    new Promise((done, failed) => {
      const script = page.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = failed;
      page.head.appendChild(script);
    });

  window.IFrameWorker = window.Worker = IFrameWorker;
}
