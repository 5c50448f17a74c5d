/*
 * The demo's web pixels manager: runs the merchant's custom pixel as Shopify does, in a hidden frame of an opaque origin,
 * and is its only way to the page. It publishes the page's standard events, reads and writes the page's cookies and
 * storage for the pixel, and passes on what the visitor chose. static/demo/wpm/sandbox.js is the other end.
 *
 * Under an ad blocker the frame never loads: filter lists know its address (browsers A5).
 */
(function (window, document) {
  "use strict";

  const CLIENT = "demo_client_id";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const { frame, data } = read("wpm-init");
  const readCookie = (name) => (("; " + document.cookie).split(`; ${name}=`)[1] || "").split(";")[0];

  const published = []; // of this page: a pixel that starts late hears them all
  let port; // to the sandbox, once it runs
  let seq = 0;

  function readClientId() {
    const known = localStorage.getItem(CLIENT);
    if (!known) localStorage.setItem(CLIENT, crypto.randomUUID());
    return known || localStorage.getItem(CLIENT);
  }

  // ---- Events

  function toContext() {
    const { href, origin, protocol, host, hostname, port, pathname, search, hash } = location;
    const { language, languages, userAgent, cookieEnabled } = navigator;
    const place = { href, origin, protocol, host, hostname, port, pathname, search, hash };
    return {
      document: { location: place, referrer: document.referrer, title: document.title, characterSet: document.characterSet },
      navigator: { language, languages: [...languages], userAgent, cookieEnabled },
      window: { innerWidth, innerHeight, location: place, origin, pageXOffset, pageYOffset },
    };
  }

  function publish(name, details, type = "standard") {
    const told = type === "custom" ? { customData: details } : { data: details };
    const event = {
      id: `sh-${crypto.randomUUID()}`,
      clientId: readClientId(),
      name,
      type,
      seq: seq++,
      timestamp: new Date().toISOString(),
      context: toContext(),
      ...told,
    };
    published.push(event);
    if (port) port.postMessage({ event });
  }

  // ---- Consent, from the store's own banner

  function toPrivacy() {
    const allowed = readCookie("demo_consent") === "yes";
    return {
      analyticsProcessingAllowed: allowed,
      marketingAllowed: allowed,
      preferencesProcessingAllowed: allowed,
      saleOfDataAllowed: allowed,
    };
  }

  addEventListener("demo:consent", () => {
    if (port) port.postMessage({ consent: toPrivacy() });
  });

  // ---- The bridge: what the pixel asks for is done here, on the page

  const storage = (area) => ({
    getItem: (key) => area.getItem(key),
    setItem: (key, value) => area.setItem(key, value),
    removeItem: (key) => area.removeItem(key),
    clear: () => area.clear(),
    key: (index) => area.key(index),
    length: () => area.length,
  });

  const bridge = {
    cookie: {
      get: (name) => (name ? readCookie(name) : document.cookie),
      set: (name, value) => void (document.cookie = value === undefined ? name : `${name}=${value}`),
    },
    localStorage: storage(localStorage),
    sessionStorage: storage(sessionStorage),
  };

  function answer({ data: { call, area, method, args, told } }) {
    if (told) return demoPanel.tell(told.who, told.text, told.tone);
    let result;
    try {
      result = { call, value: bridge[area][method](...args) };
    } catch (error) {
      result = { call, error: String(error) };
    }
    port.postMessage(result);
  }

  // ---- The frame

  function open() {
    const container = document.getElementById("WebPixelsManagerSandboxContainer");
    const sandbox = document.createElement("iframe");
    sandbox.name = frame.name;
    sandbox.setAttribute("sandbox", "allow-scripts allow-forms");
    sandbox.setAttribute("aria-hidden", "true");
    sandbox.tabIndex = -1;
    sandbox.src = frame.src + location.pathname + location.search;
    addEventListener("message", (message) => {
      if (message.source !== sandbox.contentWindow || message.data !== "wpm:ready") return;
      const channel = new MessageChannel();
      port = channel.port1;
      port.onmessage = answer;
      const init = { context: toContext(), data, customerPrivacy: toPrivacy() };
      sandbox.contentWindow.postMessage({ init, published }, "*", [channel.port2]); // its origin is opaque: no name for it
    });
    container.append(sandbox);
  }

  window.demoPixels = { publish };
  window.Shopify = window.Shopify || {};
  window.Shopify.analytics = { publish: (name, details) => publish(name, details, "custom") };
  publish("page_viewed", {});
  for (const [name, details] of read("wpm-events")) publish(name, details);
  if (!demoPanel.isPixelBlocked) open();
})(window, document);
