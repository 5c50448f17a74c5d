/*
 * The developer's view: overhears what the page sends to the gateway and what TikTok's Pixel takes in, and lists both at
 * the foot of the page. First script of the page, so that it stands in the way of every other. The list outlives pages.
 */
window.demoPanel = (function () {
  "use strict";

  const KEPT = 60;
  const ROWS = "demo-panel-rows";
  const BLOCKED = "demo-pixel-blocked";
  const gateway = document.currentScript.dataset.gateway;
  let pixel = "loading";

  const asked = new URLSearchParams(location.search).get("pixel");
  if (asked === "blocked") sessionStorage.setItem(BLOCKED, "yes");
  if (asked === "allowed") sessionStorage.removeItem(BLOCKED);
  const isPixelBlocked = sessionStorage.getItem(BLOCKED) === "yes";

  const part = (name) => document.querySelector(`[data-panel="${name}"]`);
  const readRows = () => JSON.parse(sessionStorage.getItem(ROWS) || "[]");

  /** One more row. `who` is pixel or gateway; `tone` is good, dropped or bad. */
  function tell(who, text, tone) {
    const rows = readRows().concat({ at: new Date().toTimeString().slice(0, 8), path: location.pathname.replace(/[0-9a-f]{32}/, "…"), who, text, tone });
    sessionStorage.setItem(ROWS, JSON.stringify(rows.slice(-KEPT)));
    show();
  }

  function show() {
    const list = part("rows");
    if (!list) return; // the page is not there yet
    const rows = readRows().reverse();
    list.replaceChildren(...rows.map(toItem));
    part("latest").textContent = rows[0] ? `${rows[0].who}: ${rows[0].text}` : "nothing has happened yet";
    part("pixel").textContent = isPixelBlocked ? "blocked" : pixel;
    part("block").textContent = isPixelBlocked ? "Let the Pixel through" : "Block the Pixel";
    part("consent").textContent = { yes: "given", no: "refused" }[readCookie("demo_consent")] || "not asked yet";
    part("cookies").textContent = ["_tgc", "ttclid", "_ttp"].filter(readCookie).join(", ") || "none";
  }

  function toItem(row) {
    const item = document.createElement("li");
    item.className = `${row.who} ${row.tone || ""}`;
    for (const text of [row.at, row.who, row.text, row.path]) {
      const cell = document.createElement("span");
      cell.textContent = text;
      item.append(cell);
    }
    return item;
  }

  const readCookie = (name) => (("; " + document.cookie).split(`; ${name}=`)[1] || "").split(";")[0];

  /** "ViewContent, AddToCart" of a beacon's body. */
  function nameEvents(body) {
    try {
      return JSON.parse(body).events.map((event) => event.event).join(", ") || "who is here";
    } catch (error) {
      return "a beacon";
    }
  }

  const originalFetch = window.fetch;
  window.fetch = async function (resource, options) {
    const isOurs = String(resource.url || resource).startsWith(gateway) && options && options.body;
    const response = await originalFetch.apply(this, arguments);
    if (isOurs) tellAnswer(nameEvents(options.body), response);
    return response;
  };

  function tellAnswer(names, response) {
    const dropped = response.headers.get("X-Dropped");
    const why = dropped === "page_view" ? "left to the Pixel, which told it" : `dropped: ${dropped}`;
    const said = response.ok ? (dropped ? why : "stored") : "refused";
    tell("gateway", `${names} → ${response.status} ${said}`, response.ok ? (dropped ? "dropped" : "good") : "bad");
  }

  const originalBeacon = navigator.sendBeacon && navigator.sendBeacon.bind(navigator);
  if (originalBeacon)
    navigator.sendBeacon = function (url, body) {
      if (String(url).startsWith(gateway)) tell("gateway", `${nameEvents(body)} → sent while leaving, answer unseen`);
      return originalBeacon(url, body);
    };

  addEventListener("demo:pixel", (event) => {
    pixel = event.detail.state || pixel;
    if (event.detail.text) tell("pixel", event.detail.text, event.detail.tone);
    else show();
  });

  addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("panel");
    if (!window.TiktokAnalyticsObject) pixel = "none in the checkout";
    panel.open = sessionStorage.getItem("demo-panel-open") === "yes";
    panel.addEventListener("toggle", () => sessionStorage.setItem("demo-panel-open", panel.open ? "yes" : "no"));
    part("block").addEventListener("click", () => {
      location.search = "?pixel=" + (isPixelBlocked ? "allowed" : "blocked");
    });
    part("clear").addEventListener("click", () => {
      sessionStorage.removeItem(ROWS);
      show();
    });
    show();
    setTimeout(show, 1500); // cookies come with answers, and no event tells of them
  });

  return { isPixelBlocked, tell, show };
})();
