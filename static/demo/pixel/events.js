/*
 * A stand-in for TikTok's Pixel library, served by the demo store itself: it takes the base code's list over, replays
 * what waited there, holds everything back until consent is granted, and sets `_ttp` as TikTok's does. It sends nothing
 * anywhere: what TikTok would have got is told to the panel.
 */
(function () {
  "use strict";

  const name = window.TiktokAnalyticsObject;
  const queued = window[name];
  const library = {};
  let consent = "granted"; // held, granted or revoked
  let held = [];

  const say = (detail) => dispatchEvent(new CustomEvent("demo:pixel", { detail }));

  function send(method, args) {
    if (consent === "revoked") return;
    if (consent === "held") return void held.push([method, args]);
    const id = args[2] && args[2].event_id;
    say({ text: method === "track" ? `${args[0]} ${id || "without an id"}` : method, tone: "good" });
  }

  function setTtp() {
    if (document.cookie.includes("_ttp=")) return;
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const drawn = Array.from(crypto.getRandomValues(new Uint8Array(27)), (byte) => letters[byte % letters.length]);
    const domain = location.hostname.split(".").slice(-2).join(".");
    document.cookie = `_ttp=${drawn.join("")}; Domain=${domain}; Path=/; Max-Age=34128000; SameSite=Lax`;
  }

  const consents = {
    holdConsent() {
      consent = "held";
      say({ state: "loaded, waiting for consent" });
    },
    grantConsent() {
      if (consent === "granted") return;
      consent = "granted";
      setTtp();
      say({ state: "loaded" });
      held.splice(0).forEach(([method, args]) => send(method, args));
    },
    revokeConsent() {
      consent = "revoked";
      held = [];
      say({ state: "loaded, consent refused" });
    },
  };

  for (const method of queued.methods) library[method] = consents[method] || ((...args) => send(method, args));
  library.instance = () => library;
  library.methods = queued.methods;

  const waiting = [...queued, ...Object.values(queued._i).flat()];
  queued.length = 0;
  window[name] = library;
  waiting.forEach(([method, ...args]) => library[method](...args));
})();
