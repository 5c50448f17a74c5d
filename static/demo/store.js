/*
 * The demo store's theme: makes the calls of TikTok's Pixel that a merchant's theme makes, adds to the cart without
 * leaving the page, and asks for consent. It knows the gateway only by `tg('consent', …)`; its calls of `ttq` are seen
 * by the snippet in the mode `mirror`.
 */
(function () {
  "use strict";

  const CONSENT = "demo_consent";
  const DAYS_180 = 180 * 86400;
  const banner = document.getElementById("consent");

  const readCookie = (name) => (("; " + document.cookie).split(`; ${name}=`)[1] || "").split(";")[0];

  // ---- Consent: kept in a cookie of the store's own, told anew on every page

  function tellConsent(choice) {
    const allowed = choice === "yes";
    ttq[allowed ? "grantConsent" : "revokeConsent"]();
    tg("consent", { marketing: allowed, analytics: allowed, sale_of_data: allowed, source: "banner" });
    demoPanel.show();
  }

  function choose(choice) {
    document.cookie = `${CONSENT}=${choice}; Path=/; Max-Age=${DAYS_180}; SameSite=Lax`;
    banner.hidden = true;
    tellConsent(choice);
    dispatchEvent(new Event("demo:consent"));
  }

  for (const button of document.querySelectorAll("[data-consent]"))
    button.addEventListener("click", () => choose(button.dataset.consent));
  for (const button of document.querySelectorAll("[data-consent-open]"))
    button.addEventListener("click", () => (banner.hidden = false));

  const known = readCookie(CONSENT);
  if (known) tellConsent(known);
  else banner.hidden = false;

  // ---- What the page has to tell TikTok's Pixel

  for (const [event, properties, options] of JSON.parse(document.getElementById("page-calls").textContent))
    ttq.track(event, properties, options);

  // ---- The cart

  async function add(form) {
    const said = new FormData(form);
    const response = await fetch(Shopify.routes.root + "cart/add.js", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: Number(said.get("id")), quantity: Number(said.get("quantity")) || 1 }),
    });
    if (!response.ok) return;
    const item = await response.json();
    const quantity = Number(said.get("quantity")) || 1;
    ttq.track("AddToCart", toProperties(item, quantity));
    demoPixels.publish("product_added_to_cart", { cartLine: toCartLine(item) });
    form.querySelector("[data-added]").hidden = false;
    for (const count of document.querySelectorAll("[data-count]")) count.textContent = Number(count.textContent) + quantity;
  }

  /** What was added, as a theme tells it: the pieces of this click, not all that are in the cart. */
  function toProperties(item, quantity) {
    const price = item.price / 100;
    const content = { content_id: String(item.variant_id), content_name: item.product_title, brand: item.vendor };
    Object.assign(content, { content_category: item.product_type, price, quantity });
    return { content_type: "product", contents: [content], currency: Shopify.currency.active, value: price * quantity };
  }

  const toMoney = (cents) => ({ amount: cents / 100, currencyCode: Shopify.currency.active });

  /** What Shopify's own listener tells its pixels of the same click. */
  function toCartLine(item) {
    const product = { id: String(item.product_id), title: item.product_title, vendor: item.vendor, type: item.product_type };
    const merchandise = { id: String(item.variant_id), title: item.variant_title, sku: item.sku, product };
    merchandise.price = toMoney(item.price);
    return { merchandise, quantity: item.quantity, cost: { totalAmount: toMoney(item.line_price) } };
  }

  for (const form of document.querySelectorAll("[data-add]"))
    form.addEventListener("submit", (event) => {
      if (event.submitter && "express" in event.submitter.dataset) return; // straight to the checkout, without a cart
      event.preventDefault();
      add(form);
    });
  for (const input of document.querySelectorAll("[data-submits]")) input.addEventListener("change", () => input.form.submit());
})();
