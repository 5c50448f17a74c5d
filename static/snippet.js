/*
 * The snippet: what a store's pages load from the gateway's own subdomain. It sees what visitors do, holds it back until
 * there is consent, and tells the gateway in beacons; where the page has a TikTok Pixel, both legs carry one event id.
 *
 * `make static` minifies this file; gateway/web/snippet.py puts a store's settings in the place of __CONFIG__.
 * ES2018, no dependencies, no global but `tg` (and, in the mode `drive`, the Pixel's own). Nothing here may throw into
 * the page or wait in its way. The minifier shortens local names; names of properties cost bytes.
 *
 * An event's way: record() -> queue (in memory, while consent is closed) -> pack() -> outbox -> pump() -> the gateway.
 */
(function (window, document, config) {
  "use strict";

  const DEBOUNCE_MS = 150; // what happens together travels in one beacon
  const PIXEL_WAIT_MS = 2500; // a library of the Pixel that has not come by then counts as blocked
  const RETRY_MS = 1e3; // doubled with each failure, up to MAX_RETRY_MS
  const MAX_RETRY_MS = 6e5;
  const KEEP_MS = 864e5; // what could not be delivered in a day is given up
  const MAX_HELD = 100; // events in memory
  const MAX_BEACONS = 20; // beacons in the outbox,
  const MAX_STORED = 65536; // and their characters together
  const MAX_EVENTS = 50; // in one beacon,
  const MAX_PACKED = 12e3; // and their characters together: a beacon stays under 16 KiB
  const OUTBOX = "_tgq"; // the outbox' key in localStorage
  const PAGE_VIEW = "Pageview";

  /** The same work with its exceptions swallowed: what measures a page must not break it. */
  const safe = (work) => (...args) => {
    try {
      return work(...args);
    } catch (error) {}
  };

  const now = Date.now;
  const toText = (value) => String(value).slice(0, 255).replace(/[\ud800-\udbff]$/, ""); // half an emoji is no text

  /** A UUIDv7: unguessable, and in the order of time. Source: RFC 9562, section 5.7. */
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    for (let index = 6, rest = now(); index--; rest /= 256) bytes[index] = rest; // a byte keeps the lowest eight bits
    bytes[6] = (bytes[6] & 15) | 112;
    bytes[8] = (bytes[8] & 63) | 128;
    return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1))
      .join("")
      .replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  // ---- The page and its visitor ------------------------------------------------------------------------------------

  const here = () => location.href.split("#")[0].slice(0, 8192);

  let page = { url: here(), referrer: document.referrer.slice(0, 8192) };
  let click; // the click id that led to this page
  let first; // names this browser until the gateway has named it
  let user; // who the page says the visitor is; raw, so in memory only
  const idCallbacks = []; // of tg('ids'), until the gateway has answered once
  const linked = {}; // other ids that lead back to the visitor, such as the cart's

  function cookie(name) {
    const found = ("; " + document.cookie).split("; " + name + "=")[1];
    return found && found.split(";")[0];
  }

  /** The click id in this address, or in the one before it on this host. A macro that no ad has filled in is none. */
  function findClick() {
    for (const url of [page.url, page.referrer]) {
      if (url.split("/")[2] !== location.host) continue;
      for (const name of config.params) {
        const found = url.split(new RegExp("[?&]" + name + "="))[1];
        const value = found && decodeURIComponent(found.split("&")[0]);
        if (value && /^[!-~]{1,2048}$/.test(value) && !/^__[A-Z_]+__$/.test(value)) return value;
      }
    }
  }

  const ids = () => ({ companion: cookie("_tgc"), ttclid: click || cookie("ttclid"), ttp: cookie("_ttp") });

  function tellIds() {
    for (const callback of idCallbacks.splice(0)) safe(callback)(isOpen() ? ids() : {});
  }

  // ---- Consent: one gate, and one way to it ------------------------------------------------------------------------

  const consent = navigator.globalPrivacyControl ? { sale_of_data: false } : {};
  let isNews; // the gateway has yet to hear of a new consent or user

  const isOpen = () => (config.consent === "granted" ? consent.marketing !== false : consent.marketing === true);

  /** Only a boolean is a choice. */
  function setConsent(choice) {
    for (const name of ["marketing", "analytics", "sale_of_data"]) {
      if (typeof choice[name] === "boolean" && choice[name] !== consent[name]) {
        consent[name] = choice[name];
        isNews = true;
      }
    }
    if (choice.source) consent.source = toText(choice.source).slice(0, 64);
    if (consent.marketing === false) withdraw();
    release();
    if (isDriven) pixel()[isOpen() ? "grantConsent" : "revokeConsent"]();
  }

  /** What was held is gone, and a gateway that knows this visitor hears of it. */
  function withdraw() {
    queue = [];
    user = first = isNews = undefined;
    writeOutbox([]);
    if (watcher) watcher();
    if (cookie("_tgc")) post({ page, events: [] }).catch(() => {});
    tellIds();
  }

  // ---- Events ------------------------------------------------------------------------------------------------------

  let queue = []; // {page, event, tell}; `tell` makes the Pixel's copy, where that is ours to make; null: there is none
  let isStarted;
  let timer;
  let watcher; // the add-on's: hears of each event, and with no event of a withdrawal
  const recorded = {}; // a Pixel passes its own calls on to its instances: each event counts once

  function record(name, properties, id, tell) {
    if (!name || recorded[name + id] || consent.marketing === false) return;
    recorded[name + id] = true;
    const event = { event: toText(name).slice(0, 100), event_id: id, at: now(), properties: clean(properties || {}) };
    queue.push({ page, event, tell });
    queue.splice(0, queue.length - MAX_HELD);
    if (watcher) watcher(event);
    release();
  }

  /** With consent: the Pixel is told now, the gateway together with what happens next. */
  function release() {
    if (!isStarted || !isOpen()) return;
    if (config.mode === "drive") loadPixel();
    tellPixel();
    timer = timer || setTimeout(flush, DEBOUNCE_MS);
  }

  const toId = (options) => toText((options && options.event_id) || uuid());

  function track(name, properties, options) {
    const event_id = toId(options);
    record(name, properties, event_id, (ttq) => ttq.track(name, properties || {}, { event_id }));
  }

  function viewPage() {
    record(PAGE_VIEW, {}, uuid(), config.mode === "drive" && ((ttq) => ttq.page()));
  }

  function identify(email, phone, external_id) {
    const said = { email, phone, external_id };
    for (const name in said) {
      const value = said[name] && toText(said[name]);
      if (!value || (user && user[name] === value)) continue;
      user = Object.assign({}, user, { [name]: value });
      isNews = true;
    }
    if (isNews) release();
  }

  // What TikTok's Events API takes. The gateway ignores other names and refuses a wrong type, so pages' habits (numbers
  // as text, one product for a list, a product's values beside the event's) are put right here.
  const TEXTS = ["content_type", "currency", "search_string", "description", "order_id", "shop_id", "customer_type"];
  const CONTENT_TEXTS = ["content_id", "content_name", "content_category", "brand"];

  function clean(said) {
    const list = (value) => [].concat(value || []).filter(Boolean).slice(0, 100);
    const properties = pick(Object.assign({ search_string: said.query }, said), TEXTS, ["value", "num_items"]);
    properties.contents = list(said.contents || (said.content_id && said)).map((content) =>
      pick(content, CONTENT_TEXTS, ["price", "quantity"])
    );
    properties.content_ids = list(said.content_ids).map(toText);
    return properties;
  }

  /** What is no number becomes null in JSON: not said. */
  function pick(said, texts, numbers) {
    const picked = {};
    for (const name of texts.concat(numbers)) {
      const value = said[name];
      if (!/string|number/.test(typeof value) || value === "") continue;
      picked[name] = texts.includes(name) ? toText(value) : name === "num_items" ? Math.round(value) : +value;
    }
    return picked;
  }

  // ---- Page views --------------------------------------------------------------------------------------------------

  /** At a new address there is a new page; it was viewed unless the old one only rewrote its address. */
  const move = safe((isView) => {
    const url = here();
    if (url === page.url) return;
    page = { url, referrer: isView ? page.url : page.referrer };
    if (isView) viewPage();
  });

  function watchHistory() {
    for (const name of ["pushState", "replaceState"]) {
      const original = history[name];
      history[name] = function (...args) {
        const result = original.apply(this, args);
        move(name === "pushState");
        return result;
      };
    }
    addEventListener("popstate", () => move(true));
  }

  // ---- TikTok's Pixel ----------------------------------------------------------------------------------------------

  const wrappers = new WeakSet();
  let deadline = now() + PIXEL_WAIT_MS;
  let isSeen; // the page has a Pixel,
  let isLatecomer; // brought after the page had loaded
  let fate; // of its library: "fired" once it has loaded, "blocked" once it cannot load
  let isDriven; // the snippet has loaded it
  let isTold = true; // it knows the user

  const pixel = () => config.mode !== "off" && window[window.TiktokAnalyticsObject || "ttq"];

  /**
   * What became of the Pixel's copies; nothing while it is too early to say, unless it is now or never. A page is
   * complete when its scripts have loaded or failed: a library that its base code called for is then there or will not be.
   */
  function pixelState(isLast) {
    observe();
    const isKnown = isLast || now() > deadline || (document.readyState === "complete" && !isLatecomer);
    if (config.mode === "off") return "off";
    return pixel() ? fate || (isKnown && "blocked") : isKnown && "absent";
  }

  /** The Pixel knows what only `tg` was told. */
  const tellPixel = safe(() => {
    const ttq = pixel();
    if (!ttq) return;
    const isNew = user && !isTold;
    isTold = true;
    if (isNew) ttq.identify({ email: user.email, phone_number: user.phone, external_id: user.external_id });
    for (const item of queue) {
      const tell = item.tell;
      item.tell = tell && 0; // what has no copy stays without
      if (tell) tell(ttq);
    }
  });

  // What the page tells the Pixel. A mirror may change the arguments.
  const mirrors = {
    track(args) {
      args[2] = Object.assign({}, args[2], { event_id: toId(args[2]) });
      args[1] = args[1] || {};
      record(args[0], args[1], args[2].event_id);
    },
    identify([said]) {
      identify(said.email || said.sha256_email, said.phone_number || said.sha256_phone_number, said.external_id);
    },
    instance() {},
  };

  /** Calls of the Pixel, or of one of its instances, pass the mirrors first. */
  function intercept(target) {
    for (const name in mirrors) {
      const original = target[name];
      if (!original || wrappers.has(original)) continue;
      wrappers.add(
        (target[name] = function (...args) {
          safe(mirrors[name])(args);
          const result = original.apply(this, args);
          if (name === "instance") safe(intercept)(result);
          return result;
        })
      );
    }
  }

  /**
   * A Pixel that has just come, or whose library has just put its own methods in the place of the base code's, is
   * mirrored. Until then the base code keeps calls as [method, ...arguments] in lists: `ttq`, and one for each instance.
   */
  const observe = safe(() => {
    const ttq = pixel();
    if (!ttq || wrappers.has(ttq.track)) return;
    if (!Array.isArray(ttq) || !/push/.test(ttq.track)) fate = "fired"; // the base code's methods push; these do not
    if (!isSeen && document.readyState === "complete") {
      isLatecomer = true;
      deadline = now() + PIXEL_WAIT_MS;
    }
    isSeen = true;
    intercept(ttq);
    if (fate === "fired") return; // what is left in the lists has been taken
    for (const calls of [ttq].concat(Object.values(ttq._i || {})))
      for (const call of Array.from(calls)) {
        if (!mirrors[call[0]]) continue;
        const args = call.splice(1);
        safe(mirrors[call[0]])(args);
        call.push(...args);
      }
  });

  /** Whether the Pixel's library loads is seen from its script; when the library itself loads more, that is seen too. */
  function watchPixel() {
    const onScript = (event) => {
      if (/\/pixel\/events\.js/.test(event.target.src)) fate = event.type === "load" ? "fired" : "blocked";
      observe();
    };
    document.addEventListener("load", onScript, true);
    document.addEventListener("error", onScript, true);
    new MutationObserver((_, observer) => {
      observe();
      if (isSeen) observer.disconnect();
    }).observe(document, { childList: true, subtree: true });
    observe();
  }

  /** A script that waits for nothing, as those are that come this way. */
  function load(source) {
    const script = document.createElement("script");
    script.src = source;
    document.head.append(script);
    return script;
  }

  /** In the mode `drive` the base code is ours. Source: TikTok's base code, its slots and methods (Events API spec 7). */
  function loadPixel() {
    if (isDriven) return;
    isDriven = true;
    if (!pixel()) {
      window.TiktokAnalyticsObject = "ttq";
      const ttq = (window.ttq = []);
      const defer = (target) => {
        for (const method of ttq.methods) target[method] = (...args) => target.push([method, ...args]);
        return target;
      };
      ttq.methods =
        "page track identify instances debug on off once ready alias group enableCookie disableCookie holdConsent revokeConsent grantConsent".split(" ");
      ttq._i = {};
      ttq._t = {};
      ttq._o = {};
      ttq.instance = (code) => defer(ttq._i[code] || []);
      ttq.load = (code, options) => {
        const source = "https://analytics.tiktok.com/i18n/pixel/events.js";
        ttq._i[code] = [];
        ttq._i[code]._u = source;
        ttq._t[code] = now();
        ttq._o[code] = options;
        load(source + "?sdkid=" + code + "&lib=ttq");
      };
      defer(ttq);
    }
    for (const code of config.codes) pixel().load(code, consent.sale_of_data === false ? { limited_data_use: true } : {});
    observe();
  }

  // ---- The outbox: every beacon is written down before it is sent, and struck out when the gateway has it ------------
  // So an event survives an offline moment, a restarting gateway and the end of its page. Sent twice it counts once: its
  // id is the same. Raw personal data is never written down.

  const script = document.currentScript;
  const isOurs = script && script.src.split(/[?#]/)[0].endsWith(config.script);
  const toUrl = (path) => new URL(path, isOurs ? script.src : config.origin).href;
  const endpoint = toUrl(config.collect);
  const tried = {};
  let memory = []; // the outbox, where localStorage is closed or full
  let isFull;
  let isBusy;
  let pause; // the timer of the next try
  let failures = 0;

  const toKey = (beacon) => beacon.events[0].event_id;

  function readOutbox() {
    try {
      const isFresh = (beacon) => beacon.events[0].at > now() - KEEP_MS;
      if (!isFull) return JSON.parse(localStorage.getItem(OUTBOX) || "[]").filter(isFresh);
    } catch (error) {}
    return memory;
  }

  function writeOutbox(beacons) {
    memory = beacons.slice(-MAX_BEACONS);
    while (JSON.stringify(memory).length > MAX_STORED) memory.shift();
    try {
      if (memory.length) localStorage.setItem(OUTBOX, JSON.stringify(memory));
      else localStorage.removeItem(OUTBOX);
    } catch (error) {
      isFull = true;
    }
  }

  /** What is queued is in the outbox, if it is known what became of the Pixel's copies: now at the latest if `isLast`. */
  function pack(isLast) {
    clearTimeout(timer);
    timer = 0;
    if (!isOpen()) return;
    tellPixel();
    const pixel = pixelState(isLast);
    if (!pixel && queue[0]) return void (timer = setTimeout(flush, DEBOUNCE_MS));
    const outbox = readOutbox();
    const beacons = [];
    let room = 0;
    first = first || (outbox[0] || {}).first || uuid();
    for (const { page, event, tell } of queue.splice(0)) {
      const size = JSON.stringify(event).length;
      let beacon = beacons[beacons.length - 1];
      if (!beacon || beacon.page !== page || beacon.events.length === MAX_EVENTS || size > room) {
        beacons.push((beacon = { page, first, events: [] }));
        room = MAX_PACKED;
      }
      beacon.events.push(Object.assign(tell === null && pixel === "fired" ? {} : { pixel }, event));
      room -= size;
    }
    if (beacons[0]) writeOutbox(outbox.concat(beacons));
    else if (isNews) post({ page, events: [] }).catch(() => {});
    isNews = false;
  }

  const flush = safe(() => {
    pack();
    pump();
  });

  /** A beacon as contract 4.1 has it. Without consent it says only who withdraws. */
  function toBody({ page, events }) {
    const known = isOpen() ? Object.assign(ids(), linked) : { companion: cookie("_tgc") };
    if (!known.companion) known.first = first;
    return JSON.stringify({ v: 1, sent_at: now(), page, consent, ids: known, user, events });
  }

  /** Text needs no preflight. Keepalive outlives the page, and fails beyond 64 KiB in flight: so not on a second try. */
  const post = async (beacon) =>
    fetch(endpoint, { method: "POST", body: toBody(beacon), credentials: "include", keepalive: !failures });

  /** The outbox goes out, oldest first, one beacon at a time; what the gateway could not take is tried again later. */
  async function pump() {
    const beacon = !isBusy && !pause && isOpen() && readOutbox()[0];
    if (!beacon) return;
    isBusy = tried[toKey(beacon)] = true;
    try {
      const response = await post(beacon);
      if (/429|50[234]/.test(response.status)) throw response;
      failures = 0;
      writeOutbox(readOutbox().filter((other) => toKey(other) !== toKey(beacon)));
    } catch (why) {
      const asked = why.headers && why.headers.get("Retry-After") * 1e3;
      const backoff = RETRY_MS * 2 ** failures++ * (0.5 + Math.random());
      pause = setTimeout(resume, Math.min(asked || backoff, MAX_RETRY_MS));
    }
    isBusy = false;
    tellIds();
    pump();
  }

  function resume() {
    clearTimeout(pause);
    pause = 0;
    pump();
  }

  /** The page ends: nothing here will hear an answer, so what is out stays written down for the next page. */
  const leave = safe(() => {
    pack(true);
    if (!isOpen()) return;
    for (const beacon of readOutbox()) {
      if (tried[toKey(beacon)]) continue;
      tried[toKey(beacon)] = true;
      if (!navigator.sendBeacon || !navigator.sendBeacon(endpoint, toBody(beacon))) post(beacon).catch(() => {});
    }
  });

  /** A hidden page may never come back, though it may also live on. One that ends is hidden too, after leave(). */
  const hide = safe(() => {
    if (document.visibilityState !== "hidden" || !queue[0]) return;
    pack(true);
    pump();
  });

  // ---- The start ---------------------------------------------------------------------------------------------------

  const commands = {
    track,
    page: viewPage,
    consent: setConsent,
    identify({ email, phone, external_id }) {
      isTold = false;
      identify(email, phone, external_id);
    },
    ids(callback) {
      idCallbacks.push(callback);
      if (consent.marketing === false || (isOpen() && cookie("_tgc"))) tellIds();
    },
    // Between the add-on and the core alone:
    note(name, properties) {
      record(name, properties, uuid(), null);
    },
    link(found) {
      Object.assign(linked, found);
      isNews = true;
      release();
    },
    watch(callback) {
      watcher = safe(callback);
      for (const item of queue) watcher(item.event);
    },
  };

  /** What was said until now, by the add-on too, leaves together. Of those who listen for the end, this is the last. */
  function start() {
    removeEventListener("pagehide", leave);
    addEventListener("pagehide", leave);
    isStarted = true;
    release();
  }

  const begin = safe(() => {
    const early = window.tg || {};
    if (early.on) return; // a second copy of the snippet
    const tg = (window.tg = safe((command, ...args) => commands[command](...args)));
    tg.on = true;
    tg.q = { push: (args) => tg(...args) };
    click = safe(findClick)();
    safe(watchHistory)();
    if (config.mode !== "off") safe(watchPixel)();
    addEventListener("pagehide", leave);
    addEventListener("online", resume);
    document.addEventListener("visibilitychange", hide);
    viewPage();
    Array.from(early.q || []).forEach(tg.q.push);
    const addon = config.addon && load(toUrl(config.addon));
    if (addon) addon.onload = addon.onerror = start;
    else start();
  });

  // A page that is rendered ahead of its visit begins with the visit.
  if (document.prerendering) document.addEventListener("prerenderingchange", begin, { once: true });
  else begin();
})(window, document, __CONFIG__);
