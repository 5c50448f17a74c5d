// The dashboard's only script. Every page works without it; with it, texts can be copied, Live
// is live, and times are local.
(() => {
  "use strict";
  const all = (selector) => document.querySelectorAll(selector);

  // Copy buttons: what stands in the element they name.
  for (const button of all("[data-copies]")) {
    if (!navigator.clipboard) continue; // only on https and on this machine
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }

  // A form whose only field is a choice sends itself.
  for (const form of all("[data-submits]")) {
    form.querySelector("button").hidden = true;
    form.addEventListener("change", () => form.requestSubmit());
  }

  // A part of the page that is asked for anew every few seconds, as long as somebody looks.
  for (const part of all("[data-polls]")) {
    setInterval(async () => {
      if (document.hidden) return;
      const answer = await fetch(part.dataset.polls).catch(() => null);
      if (!answer || !answer.ok || answer.redirected) return;
      const html = await answer.text();
      if (html !== part.last) part.innerHTML = html; // drawn by our server, which escapes
      part.last = html;
    }, part.dataset.every * 1000);
  }

  // Live: rows come as the server draws them; one that is there already is replaced.
  for (const body of all("[data-streams]")) {
    const MOST = 100;
    const state = document.querySelector("[data-stream-state]");
    const pause = document.querySelector("[data-stream-pause]");
    const empty = document.querySelector("[data-when-empty]");
    const held = [];
    let isPaused = false;
    const show = (html) => {
      const template = document.createElement("template");
      template.innerHTML = html;
      const row = template.content.firstElementChild;
      const known = document.getElementById(row.id);
      if (known) known.replaceWith(row);
      else body.prepend(row);
      while (body.rows.length > MOST) body.lastElementChild.remove();
    };
    const hide = (id) => document.getElementById(`e-${id}`)?.remove();
    const take = (act, data) => {
      if (isPaused) { held.push([act, data]); if (held.length > 5 * MOST) held.shift(); return; }
      act(data);
      empty.hidden = body.rows.length > 0;
    };
    const source = new EventSource(body.dataset.streams);
    source.addEventListener("row", (event) => take(show, event.data));
    source.addEventListener("gone", (event) => take(hide, event.data));
    const tell = () => {
      const words = ["Connecting again…", "Live.", "Not connected: sign in again, or close other Live pages, and reload."];
      state.textContent = isPaused ? "Paused." : words[source.readyState];
    };
    source.addEventListener("open", tell);
    source.addEventListener("error", tell);
    pause.hidden = false;
    pause.addEventListener("click", () => {
      isPaused = !isPaused;
      pause.setAttribute("aria-pressed", isPaused);
      for (const [act, data] of isPaused ? [] : held.splice(0)) take(act, data);
      tell();
    });
  }

  // On a phone the menu scrolls: the page one is on is in sight.
  const menu = document.querySelector(".menu");
  const here = document.querySelector(".menu [aria-current]");
  if (here) menu.scrollLeft = here.offsetLeft - (menu.clientWidth - here.offsetWidth) / 2;

  // The time zone: the server draws times, and a cookie tells it in which zone.
  const keep = (name, value) => { document.cookie = `${name}=${encodeURIComponent(value)}; Path=/admin; Max-Age=31536000; SameSite=Lax`; };
  const isUtc = /(?:^|; )utc=1/.test(document.cookie);
  keep("zone", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  for (const button of all("[data-zone]")) {
    button.hidden = false;
    button.textContent = isUtc ? "Show my time zone" : "Show UTC";
    button.addEventListener("click", () => { keep("utc", isUtc ? "0" : "1"); location.reload(); });
  }
})();
