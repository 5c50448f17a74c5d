/*
 * The add-on for Shopify's pages. It tells the snippet what it cannot know by itself: what Shopify knows of consent, who
 * is signed in, which product is looked at, what goes into the cart and from there to the checkout. And it leaves the
 * visitor's companion in the cart.
 *
 * static/snippet.js loads it, gateway/web/addon.py serves it, and the two talk through `tg` alone. Beside the public
 * commands there are three between them: tg('link', {cart, customer}) adds ids to every later beacon; tg('note', name,
 * properties) records an event that the Pixel is not to hear of; and tg('watch', callback) tells of each recorded event,
 * and with no event of a withdrawal.
 *
 * The id of a checkout's step is made of the checkout's token, which no page of a theme knows (contract 4.4). So
 * InitiateCheckout goes to the gateway alone, which makes one of it with what the custom pixel and the webhook tell under
 * that id; where the Pixel is ours to drive, it hears of it in the checkout. What follows is told there only.
 *
 * Nothing here decides what may be sent: events go to the snippet at once, which holds them until there is consent.
 */
(function (window, document, config) {
  "use strict";

  const SETTLE_MS = 1e3; // signs of one event come within this time of each other,
  const LOOKBACK_MS = 3e3; // and the page's own Pixel may be this much ahead of what it tells
  const CART_DELAY_MS = 1e3; // after the page has loaded: themes and apps write to the cart at once, and must not lose
  const CART_FRESH_MS = 6048e5; // seven days; Shopify keeps a cart for at least that long
  const CART_TRIES = 2; // on two different pages
  const WRITTEN = "_tgw"; // the key in localStorage of what was written to the cart, and whether it went to the checkout

  const tg = (...args) => window.tg(...args);
  const shopify = () => window.Shopify || {};
  const now = Date.now;

  /** The same work with its exceptions swallowed: what measures a page must not break it. */
  const safe = (work) => (...args) => {
    try {
      return work(...args);
    } catch (error) {}
  };

  /** The number at the end of an id: of 42, "42" and "gid://shopify/ProductVariant/42?x=1" alike. */
  const toDigits = (id) => (/\d+$/.exec(String(id).split("?")[0]) || [])[0];

  /** A cart's token without its key, which opens the cart to whoever has it. */
  const toBareToken = (token) => (token ? String(token).split("?")[0] : undefined);

  // What the theme tag says of this page; it is not on every page that has the snippet.
  const theme = safe(() => JSON.parse(document.getElementById("tg-config").textContent))() || {};

  const loaded = new Promise((resolve) => {
    if (document.readyState === "complete") resolve();
    else addEventListener("load", resolve);
  });

  // ---- Consent: Shopify's Customer Privacy API knows the region, the shop's settings and the visitor's choice ---------
  // Another consent tool says tg('consent', {marketing: true}) itself; whoever speaks last is believed.

  let isAsked;

  function tellConsent(marketing, analytics, sale) {
    const sale_of_data = navigator.globalPrivacyControl ? false : sale;
    tg("consent", { marketing, analytics, sale_of_data, source: "shopify" });
  }

  /** Nothing is said for a visitor who has yet to choose where a choice is needed: the snippet holds on. */
  function readConsent() {
    const api = shopify().customerPrivacy;
    const isAllowed = api.marketingAllowed();
    if (isAllowed !== true && !/^(no|false)$/.test(api.currentVisitorConsent().marketing)) return;
    tellConsent(isAllowed, api.analyticsProcessingAllowed(), api.saleOfDataAllowed());
  }

  /** Shopify's own scripts may come after this one. One that does not come, or fails, leaves the gate closed. */
  const askConsent = safe(() => {
    const { customerPrivacy, loadFeatures } = shopify();
    if (isAsked || !(customerPrivacy || loadFeatures)) return;
    isAsked = true;
    if (customerPrivacy && customerPrivacy.marketingAllowed) readConsent();
    else
      loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], safe((error) => {
        if (!error) readConsent();
      }));
  });

  function watchConsent() {
    document.addEventListener("visitorConsentCollected", safe(({ detail }) =>
      tellConsent(detail.marketingAllowed, detail.analyticsAllowed, detail.saleOfDataAllowed)
    ));
    askConsent();
    for (const name of ["DOMContentLoaded", "load"]) addEventListener(name, askConsent);
  }

  // ---- One source for each event: the page's own Pixel or the page's own tg('track') first, then this add-on ---------

  const told = {}; // when somebody else last told an event of a name
  const waiting = new Set(); // what is told at the latest when the page ends
  let isOurs;

  /** Work that waits; the snippet packs its last beacon after this has run. */
  function later(work, wait_ms, begin) {
    const run = () => {
      if (waiting.delete(run)) safe(work)();
    };
    waiting.add(run);
    Promise.resolve(begin).then(() => setTimeout(run, wait_ms));
  }

  const hurry = () => waiting.forEach((run) => run());

  /** What the page does about an event is seen first; a page that ends at once does not outrun this. */
  function watch(name, see) {
    document.addEventListener(name, (event) => {
      const { target } = event;
      later(() => see(event, target), 0);
    }, true);
  }

  /** An event that somebody else has told since then stands for this one, once. */
  function tell(name, properties, since, command = "track") {
    if (told[name] >= since) {
      delete told[name];
      return;
    }
    isOurs = true;
    tg(command, name, properties);
    isOurs = false;
  }

  /** What a whole page means. Where a Pixel is mirrored, it may be a tag manager that brings it. */
  function tellPage(name, properties) {
    if (config.mirror) later(() => tell(name, properties, 0), SETTLE_MS, loaded);
    else tell(name, properties, 0);
  }

  // ---- Products: what this page has told of each variant --------------------------------------------------------------

  const catalogue = {}; // by variant id: {product, sku, price, title, brand, category}
  const viewed = {}; // by product id: choosing another variant is no further view

  function learn(variant, about) {
    const id = toDigits(variant);
    if (id) catalogue[id] = Object.assign(catalogue[id] || {}, about);
    return id;
  }

  /** Lines of {id, quantity} as TikTok's properties; prices only where all are known, in the currency of the page. */
  function toProperties(lines) {
    const contents = lines.map(({ id, quantity, about }) => {
      const known = catalogue[id] || about || {};
      const ids = { variant: id, product: known.product, sku: known.sku };
      return {
        content_id: ids[config.content] || id || known.product,
        content_name: known.title,
        content_category: known.category,
        brand: known.brand,
        price: known.price,
        quantity,
      };
    });
    const value = contents.reduce((sum, content) => sum + content.price * content.quantity, 0);
    const properties = {
      contents,
      content_ids: contents.map((content) => content.content_id),
      content_type: config.content === "product" ? "product_group" : "product",
    };
    if (!contents[0] || isNaN(value)) return properties;
    const currency = theme.currency || (shopify().currency || {}).active;
    return Object.assign(properties, { value: Math.round(value * 100) / 100, currency });
  }

  function viewProduct(product, variant, about, report) {
    if (!product || viewed[product]) return;
    viewed[product] = true;
    report("ViewContent", toProperties([{ id: learn(variant, about), quantity: 1, about }]), now() - LOOKBACK_MS);
  }

  const tellSoon = (name, properties, since) => later(() => tell(name, properties, since), SETTLE_MS);

  function readTheme() {
    if (theme.page === "product" && theme.product) {
      const { id, title, brand, category, selected, variants } = theme.product;
      const describe = ({ sku, price }) => ({ product: id, title, brand, category, sku, price: price / 100 });
      for (const variant of variants || []) learn(variant.id, describe(variant));
      viewProduct(id, selected && selected.id, describe(selected || {}), tellPage);
    }
    if (theme.lines) inCart = readItems({ items: theme.lines });
    if (theme.search) search(theme.search, tellPage);
    if (theme.customer) tg("identify", { email: theme.email, external_id: theme.customer });
    link({ cart: toBareToken(theme.cart), customer: theme.customer || undefined });
  }

  let searched;

  /** Filters and pages of the same search are no further search. */
  function search(terms, report) {
    if (!terms || terms === searched) return;
    searched = terms;
    report("Search", { search_string: terms }, now() - LOOKBACK_MS);
  }

  function link(ids) {
    if (ids.cart || ids.customer) tg("link", ids);
  }

  /** Themes that speak Shopify's standard events say more than a page's first state. Source: Shopify spec 4.3. */
  function watchViews() {
    document.addEventListener("shopify:product:view", safe(({ context, product }) => {
      if (!/page|dialog/.test(context)) return; // a card in a list is no view of its product
      const variant = product.selectedVariant || {};
      const about = { product: toDigits(product.id), title: product.title };
      if (variant.price) about.price = +variant.price.amount;
      viewProduct(about.product, variant.id, about, tellSoon);
    }));
    document.addEventListener("shopify:search:update", safe((event) => search(event.search.query, tellSoon)));
  }

  // ---- Adding to the cart: up to four signs of one action, told once --------------------------------------------------
  // The theme's standard event, its request (fetch or XHR), and the form of a theme without scripts. Signs of different
  // sources that overlap in time and variants are one action; a second sign of the same source is another action.

  const actions = []; // not yet told: {since, sources, lines, open}; `open` counts the outcomes that are to come

  /** `outcome` becomes the lines that were added, or something false where nothing was. */
  function sawAdd(source, lines, outcome) {
    let action = actions.find((other) => !other.sources.includes(source) && isSame(other.lines, lines));
    if (!action) actions.push((action = { since: now() - LOOKBACK_MS, sources: [], lines, open: 0 }));
    action.sources.push(source);
    action.open++;
    outcome.catch(() => {}).then((added) => {
      action.open--;
      if (added) {
        if (!action.lines[0]) action.lines = added;
        if (!action.isAdded) later(() => tellAdd(action), SETTLE_MS);
        action.isAdded = true;
      } else if (!action.open && !action.isAdded) drop(action);
    });
  }

  /** What is unknown may be anything. */
  const isSame = (some, others) =>
    !some[0] || !others[0] || some.some(({ id }) => others.some((other) => other.id === id));

  function drop(action) {
    actions.splice(actions.indexOf(action), 1);
  }

  function tellAdd(action) {
    drop(action);
    tell("AddToCart", toProperties(action.lines), action.since);
  }

  const toLine = ({ id, quantity }) => ({ id: toDigits(id), quantity: +quantity || 1 });
  const toLines = (said) => said.map(toLine).filter((line) => line.id);

  /** What a request to /cart/add asks for: one variant, or a list of them, as JSON or as a form's fields. */
  const readLines = (body) => safe(() => {
    let fields = body;
    if (typeof body === "string") fields = body[0] === "{" ? JSON.parse(body) : new URLSearchParams(body);
    if (!fields.forEach) return toLines(fields.items || [fields]);
    const lines = {};
    fields.forEach((value, name) => {
      const [, index = "", key] = /^(?:items\[(\d*)\]\[)?(id|quantity)\]?$/.exec(name) || [];
      if (key) (lines[index] = lines[index] || {})[key] = value;
    });
    return toLines(Object.values(lines));
  })() || [];

  /** Lines as Shopify's answers and the theme tag have them; prices are in hundredths, whatever the currency. */
  function readItems(answer) {
    return toLines((answer.items || [answer]).map((item) => {
      learn(item.variant_id, {
        product: toDigits(item.product_id),
        sku: item.sku,
        price: item.price / 100,
        title: item.product_title || item.title,
        brand: item.vendor,
        category: item.product_type,
      });
      return { id: item.variant_id, quantity: item.quantity };
    }));
  }

  let inCart; // the lines of the cart, once they are known

  /** An answer of the cart's has all its lines, or those that an addition went into: the lines that it has. */
  function readCart(answer) {
    const lines = readItems(answer);
    const isOther = ({ id }) => !lines.some((line) => line.id === id);
    if (answer.item_count >= 0) inCart = lines;
    else if (inCart) inCart = inCart.filter(isOther).concat(lines);
    return lines;
  }

  function toOwnUrl(address, paths) {
    const url = new URL(address, location.href);
    return url.host === location.host && paths.test(url.pathname) && url;
  }

  const toAddUrl = (address) => toOwnUrl(address, /\/cart\/add(\.js(on)?)?$/);

  function watchRequests() {
    const { fetch, XMLHttpRequest } = window;
    const { open, send } = XMLHttpRequest.prototype;
    const addresses = new WeakMap();

    window.fetch = function (...args) {
      const answer = fetch.apply(this, args);
      safe(sawFetch)(args, answer);
      return answer;
    };
    XMLHttpRequest.prototype.open = function (...args) {
      addresses.set(this, args[1]);
      return open.apply(this, args);
    };
    XMLHttpRequest.prototype.send = function (...args) {
      safe(sawSend)(this, addresses.get(this), args[0]);
      return send.apply(this, args);
    };
  }

  /** The page gets the answer untouched; a copy is read here. */
  function sawFetch([input, options], answer) {
    const read = (response) => response.clone().json().then(readCart).catch(() => []);
    sawRequest("fetch", input.url || input, options && options.body, () =>
      answer.then((response) => response.ok && read(response))
    );
  }

  function sawSend(request, address, body) {
    sawRequest("xhr", address, body, () => new Promise((resolve) =>
      request.addEventListener("loadend", () => {
        const isText = /^(text)?$/.test(request.responseType);
        const read = () => readCart(isText ? JSON.parse(request.responseText) : request.response);
        resolve(request.status >= 200 && request.status < 300 && (safe(read)() || []));
      })
    ));
  }

  /** `listen` reads the answer, which is read of what changes the cart alone. */
  function sawRequest(source, address, body, listen) {
    const url = toAddUrl(address);
    if (url) sawAdd(source, readLines(body || url.searchParams), listen());
    else if (toOwnUrl(address, /\/cart\/(change|update|clear)/)) listen().catch(() => {});
  }

  function watchCart() {
    document.addEventListener("shopify:cart:lines-update", safe((event) => {
      if (event.action !== "add") return;
      const lines = toLines(event.lines.map(({ merchandiseId, quantity }) => ({ id: merchandiseId, quantity })));
      const hasErrors = (result) => result && result.userErrors && result.userErrors[0];
      sawAdd("event", lines, Promise.resolve(event.promise).then((result) => !hasErrors(result) && lines));
    }));
    watchRequests();
    watch("submit", sawSubmit);
  }

  /** A form that the theme sends by script is seen there; one that the browser sends ends the page. */
  function sawSubmit(event, form) {
    const button = event.submitter || form;
    const address = button.getAttribute("formaction") || form.getAttribute("action");
    if (event.defaultPrevented) return;
    if (button.name === "checkout" || isCheckout(address)) return checkOut();
    if (!toAddUrl(address)) return;
    const lines = readLines(new FormData(form));
    sawAdd("form", lines, Promise.resolve(lines));
  }

  // ---- Going to the checkout: a form, a link or a script of the theme; told once for each cart ------------------------

  const isCheckout = (address) => toOwnUrl(address, /^(\/[a-z]{2}(-\w+)*)?\/checkouts?(\/|$)/i);

  function watchCheckout() {
    watch("click", sawClick);
    if (window.navigation)
      navigation.addEventListener("navigate", safe(({ destination }) => followed(destination.url)));
  }

  function sawClick(event, target) {
    const anchor = target.closest("a[href]");
    if (anchor && !event.defaultPrevented) followed(anchor.href);
  }

  function followed(address) {
    const url = isCheckout(address);
    if (url) checkOut(/\/checkouts\//.test(url.pathname));
  }

  /**
   * Buy it now and wallets lead past the cart, to a checkout that is there already. What is remembered of the cart needs
   * consent; without it, no later page will tell of this one anyway.
   */
  function checkOut(isPastCart) {
    const memory = Object.assign({ at: now(), cart: toBareToken(theme.cart) }, recall(), { isFilled: true });
    if (isOut) return;
    isOut = true;
    if (isWanted && !isPastCart) remember(memory);
    link({ cart: memory.cart });
    const properties = inCart && !isPastCart ? toProperties(inCart) : {};
    const since = now() - LOOKBACK_MS;
    later(() => tell("InitiateCheckout", properties, since, "note"), SETTLE_MS);
  }

  // ---- The companion in the cart, and so in the order -----------------------------------------------------------------
  // Written once for each cart, as Shopify throttles those who write more: what was written is remembered, since private
  // attributes cannot be read back, and never without consent. Source: Shopify spec 2.1 to 2.3.

  const request = window.fetch;
  let isWanted; // there is consent
  let isOut; // the cart has gone to the checkout
  let cartTimer;

  /** What is remembered of this cart. */
  function recall() {
    const memory = safe(() => JSON.parse(localStorage.getItem(WRITTEN)))();
    if (!memory || memory.at < now() - CART_FRESH_MS || isOtherCart(memory)) return {};
    isOut = isOut || memory.isOut;
    return memory;
  }

  const remember = safe((memory) => {
    localStorage.setItem(WRITTEN, JSON.stringify(Object.assign(memory, { isOut })));
    return true;
  });

  const forget = safe(() => {
    isWanted = false;
    clearTimeout(cartTimer);
    localStorage.removeItem(WRITTEN);
  });

  /** An order leaves an empty, new cart behind: one with another token, or one that has lost what it held. */
  const isOtherCart = ({ cart, isFilled }) =>
    (cart && theme.cart && cart !== toBareToken(theme.cart)) || (isFilled && theme.items === 0);

  async function writeCart(companion) {
    if (!isWanted) return;
    let memory = recall();
    if (memory.companion !== companion) memory = { companion, at: now(), tries: 0 };
    if (theme.items > 0) memory.isFilled = true;
    const isDue = !memory.isDone && memory.tries++ < CART_TRIES;
    if (!remember(memory) || !isDue) return;
    const answer = await request(((shopify().routes || {}).root || "/") + "cart/update.js", {
      method: "POST",
      keepalive: true,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ attributes: { __tg: companion } }),
    });
    const cart = answer.ok && (await answer.json()); // a challenge answers in HTML, and is no answer
    if (!cart || !isWanted) return;
    readCart(cart);
    memory.isDone = true;
    memory.cart = toBareToken(cart.token);
    remember(memory);
    link({ cart: memory.cart });
  }

  function keepCompanion() {
    if (/\/checkouts?\//.test(location.pathname)) return;
    tg("ids", ({ companion }) => {
      isWanted = !!companion;
      const write = () => writeCart(companion).catch(() => {});
      if (companion) loaded.then(() => (cartTimer = setTimeout(write, CART_DELAY_MS)));
    });
  }

  // ---- The start ------------------------------------------------------------------------------------------------------

  if (shopify().designMode) return; // a merchant at work in the theme editor
  tg("watch", (event) => {
    if (!event) forget();
    else if (!isOurs) told[event.event] = now();
  });
  addEventListener("pagehide", hurry); // ahead of the snippet, which packs its last beacon then, and listens anew for that
  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && hurry(), true);
  const works = [config.consent && watchConsent, readTheme, watchViews, watchCart, watchCheckout, keepCompanion];
  for (const work of works) safe(work)();
})(window, document, __CONFIG__);
