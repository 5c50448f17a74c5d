// The dashboard's only script. Every page works without it but Live; with it, texts can be copied and times are local.
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
