"""What Shopify puts on its pages, as scripts: written after Shopify's own documentation (spec 3.1 and 5.1)."""

from __future__ import annotations

SHOPIFY = """<script>
window.Shopify = { routes: { root: "/" }, currency: { active: "EUR" } };
(() => {
  const state = {privacy};
  const isYes = () => state.marketing === "yes";
  const api = {
    marketingAllowed: isYes,
    analyticsProcessingAllowed: isYes,
    saleOfDataAllowed: () => state.sale,
    currentVisitorConsent: () => ({ marketing: state.marketing, analytics: state.marketing, sale_of_data: "" }),
  };
  if (state.how !== "missing")
    Shopify.loadFeatures = (features, done) => setTimeout(() => {
      if (state.how === "fails" || features[0].name !== "consent-tracking-api") return done(new Error("blocked"));
      Shopify.customerPrivacy = api;
      done();
    });
  window.choose = (marketing, sale = state.sale) => {
    Object.assign(state, { marketing, sale });
    const detail = { marketingAllowed: isYes(), analyticsAllowed: isYes(), saleOfDataAllowed: sale };
    document.dispatchEvent(new CustomEvent("visitorConsentCollected", { detail }));
  };
})();
</script>"""
"""`window.Shopify` with its Customer Privacy API, which loads on demand; `choose(...)` is the visitor at the banner."""

BRIDGE = """
<iframe sandbox="allow-scripts allow-forms" name="web-pixel-sandbox-CUSTOM-1-LAX-x" src="/wpm/sandbox"></iframe>
<script>
const frame = document.querySelector("iframe");
const calls = {
  get: (name) => (("; " + document.cookie).split("; " + name + "=")[1] || "").split(";")[0],
  set: (text) => { document.cookie = text; },
  getItem: (key) => localStorage.getItem(key),
  setItem: (key, value) => localStorage.setItem(key, value),
  removeItem: (key) => localStorage.removeItem(key),
};
addEventListener("message", ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  if (data.ready) window.sandboxIsReady = true;
  else source.postMessage({ reply: data.id, result: calls[data.call](...data.args) }, "*");
});
window.publish = (name, data) => {
  const context = { document: { location: { href: location.href }, referrer: document.referrer } };
  const timestamp = new Date().toISOString();
  const event = { id: "1", clientId: "{client}", name, type: "standard", timestamp, context, data };
  frame.contentWindow.postMessage({ event }, "*");
};
window.collect = (customerPrivacy) => frame.contentWindow.postMessage({ consent: { customerPrivacy } }, "*");
</script>"""
"""The page around the sandbox: does for the pixel what a frame of an opaque origin cannot do itself."""

SANDBOX = """<!doctype html><html><head><script>
const waiting = {}, subscribers = {};
let asked = 0, hear = () => {};
const ask = (call) => (...args) => new Promise((done) => {
  waiting[++asked] = done;
  parent.postMessage({ call, args, id: asked }, "*");
});
const analytics = { subscribe: (name, callback) => { (subscribers[name] = subscribers[name] || []).push(callback); } };
const browser = {
  cookie: { get: ask("get"), set: ask("set") },
  localStorage: { getItem: ask("getItem"), setItem: ask("setItem"), removeItem: ask("removeItem") },
};
const init = {init};
const subscribe = (name, callback) => { if (name === "visitorConsentCollected") hear = callback; };
const api = { customerPrivacy: { subscribe } };
addEventListener("message", ({ data }) => {
  if (data.reply) waiting[data.reply](data.result);
  if (data.event) (subscribers[data.event.name] || []).forEach((callback) => callback(data.event));
  if (data.consent) hear(data.consent);
});
</script></head><body><script>{pixel}</script><script>parent.postMessage({ ready: true }, "*")</script></body></html>"""
"""Shopify's sandbox of a custom pixel: the four globals, and messages instead of everything else."""
