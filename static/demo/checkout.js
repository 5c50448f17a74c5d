/*
 * The checkout's own page: Shopify's, not the theme's, so nothing of the merchant's runs here but the custom pixel. It
 * tells the pixel each step, and gives it the moment that a checkout without page loads would give it.
 */
(function () {
  "use strict";

  const STEP_MS = 500;
  const form = document.querySelector("[data-checkout]");
  if (!form) return;

  /** The checkout as far as the form is filled in. */
  function toCheckout() {
    const said = Object.fromEntries(new FormData(form));
    const address = { firstName: said.first_name, lastName: said.last_name, address1: said.address1, city: said.city };
    Object.assign(address, { zip: said.zip, countryCode: said.country_code, phone: said.phone });
    const checkout = JSON.parse(document.getElementById("checkout-data").textContent);
    return { ...checkout, email: said.email, shippingAddress: address, billingAddress: address };
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("[data-pay]");
    button.disabled = true;
    button.textContent = "Paying …";
    for (const step of ["checkout_contact_info_submitted", "checkout_address_info_submitted", "payment_info_submitted"])
      demoPixels.publish(step, { checkout: toCheckout() });
    setTimeout(() => form.submit(), STEP_MS);
  });
})();
