/*
 * The sandbox a custom pixel runs in: a frame that is a stranger to the page around it. All it has is `analytics`,
 * `browser`, `init` and `api`, as Shopify gives them (Shopify spec 3.1 to 3.3); every one of them asks the page, over one
 * port, and so answers later. The pixel's own code starts once `init` is there.
 */
(function (window) {
  "use strict";

  const calls = new Map(); // asked, and not yet answered
  const subscribers = []; // {name, callback}
  const consents = []; // callbacks of the visitor's choice
  let port;
  let published; // every event of the page until now
  let lastCall = 0;

  const ask = (area, method) => (...args) =>
    new Promise((resolve, reject) => {
      calls.set(++lastCall, { resolve, reject });
      port.postMessage({ call: lastCall, area, method, args });
    });

  const offer = (area, methods) => Object.fromEntries(methods.map((method) => [method, ask(area, method)]));

  const fits = (name, event) =>
    name === event.name || name === "all_events" || name === `all_${event.type}_events`;

  function subscribe(name, callback) {
    subscribers.push({ name, callback });
    for (const event of published.filter((event) => fits(name, event))) queueMicrotask(() => callback(event));
  }

  function hear({ data: { call, value, error, event, consent } }) {
    if (call) {
      const { resolve, reject } = calls.get(call);
      calls.delete(call);
      error ? reject(new Error(error)) : resolve(value);
    }
    if (event) {
      published.push(event);
      for (const { name, callback } of subscribers) if (fits(name, event)) callback(event);
    }
    if (consent) for (const callback of consents) callback({ customerPrivacy: consent });
  }

  /** What goes out of here is seen by nobody else, so the panel is told. */
  function watchFetch() {
    const { fetch } = window;
    window.fetch = async (resource, options) => {
      const response = await fetch(resource, options);
      const said = JSON.parse(options.body);
      const names = (said.events || []).map((event) => event.event).join(", ") || "who is here";
      const dropped = response.headers.get("X-Dropped");
      const became = response.ok ? (dropped ? `dropped: ${dropped}` : "stored") : "refused";
      const tone = response.ok ? (dropped ? "dropped" : "good") : "bad";
      port.postMessage({ told: { who: "custom pixel", text: `${names} → ${response.status} ${became}`, tone } });
      return response;
    };
  }

  window.addEventListener("message", (message) => {
    if (port || message.source !== window.parent || !message.data.init) return;
    port = message.ports[0];
    port.onmessage = hear;
    published = message.data.published;
    const storage = ["getItem", "setItem", "removeItem", "clear", "key", "length"];
    window.init = message.data.init;
    window.analytics = { subscribe };
    window.browser = {
      cookie: offer("cookie", ["get", "set"]),
      localStorage: offer("localStorage", storage),
      sessionStorage: offer("sessionStorage", storage),
    };
    window.api = {
      customerPrivacy: {
        subscribe: (name, callback) => name === "visitorConsentCollected" && consents.push(callback),
      },
    };
    watchFetch();
    const pixel = document.createElement("script");
    pixel.textContent = JSON.parse(document.getElementById("custom-pixel").textContent);
    document.head.append(pixel);
  });

  window.parent.postMessage("wpm:ready", "*");
})(window);
