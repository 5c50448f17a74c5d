"""POST /webhooks/shopify: what Shopify tells of orders, checkouts, customers and privacy. Answered after the commit.

Only the body is signed, so its shape decides what it is; topic, shop and id are claims (Shopify spec 1.1). Shopify
gives a delivery five seconds and tries eight times in four hours: what could not be stored is a 503 and comes again.
"""

from __future__ import annotations

import logging
from time import perf_counter

from gateway.clock import now_ms
from gateway.errors import Forbidden, GatewayError, Malformed, NotFound, Unauthorized
from gateway.intake.orders import OrderIntake
from gateway.intake.people import People
from gateway.settings import ShopifySettings, StoreSettings
from gateway.shopify.checkouts import to_initiate_checkout
from gateway.shopify.compliance import to_person
from gateway.shopify.customers import to_registration
from gateway.shopify.orders import to_facts, to_purchase
from gateway.shopify.resources import (
    Checkout,
    Customer,
    CustomerDataRequest,
    CustomerRedact,
    Order,
    Refund,
    Shop,
    ShopRedact,
)
from gateway.shopify.reversals import to_cancellation, to_refund
from gateway.shopify.signature import is_signed
from gateway.shopify.webhook import Webhook, parse_webhook
from gateway.signals.metrics import Tally
from gateway.store.receipt import WebhookNote
from gateway.web.answers import Answer, Receive, Scope, Send, send_answer, to_error
from gateway.web.hits import Hold, read_body, to_header_map

log = logging.getLogger(__name__)

MAX_BYTES = 2 * 1024 * 1024
"""An order of hundreds of lines stays under this; Shopify names no limit."""

_OK = Answer(200, [(b"content-length", b"0"), (b"cache-control", b"no-store")])
_LONGEST_ID = 128


class WebhookEndpoint:
    """Takes one store's webhooks."""

    def __init__(self, settings: StoreSettings, orders: OrderIntake, people: People) -> None:
        self._settings = settings
        self._orders = orders
        self._people = people
        self._tally = Tally(settings.id, "webhook")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = perf_counter()
        try:
            answer = await self._answer(scope, receive)
        except GatewayError as error:
            answer = to_error(error)
        self._tally.count(answer.status, None, perf_counter() - started_s)
        await send_answer(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        shop = self._settings.shopify
        if shop is None:
            raise NotFound("this store has no [stores.shopify] table")
        if scope["method"] != "POST":
            return Answer(405, [(b"allow", b"POST"), (b"content-length", b"0")])
        headers = to_header_map(scope)
        with Hold() as hold:
            body = await read_body(receive, headers, MAX_BYTES, hold)
            self._check_sender(headers, body, shop)
            webhook = parse_webhook(_text(headers, b"x-shopify-topic"), body)
            delivery_id = _text(headers, b"x-shopify-webhook-id")[:_LONGEST_ID]
            note = WebhookNote(delivery_id, webhook.topic[:_LONGEST_ID]) if delivery_id else None
            await self._take(webhook, shop, note, now_ms())
        return _OK

    async def _take(self, webhook: Webhook, shop: ShopifySettings, note: WebhookNote | None, now_ms: int) -> None:
        """What the webhook tells is durably stored; a topic that triggers nothing is done with."""
        store, origin = self._settings, self._settings.origins[0]
        match webhook.resource:
            case Order() as order:
                told = to_purchase(order, webhook.topic, shop, origin, now_ms)
                facts, reversal = to_facts(order, now_ms), to_cancellation(order)
                await self._orders.record(store, now_ms, told, webhook=note, facts=facts, reversal=reversal)
            case Checkout() as checkout:
                told = to_initiate_checkout(checkout, shop, origin, now_ms)
                await self._orders.record(store, now_ms, told, webhook=note)
            case Refund() as refund:
                await self._orders.record(store, now_ms, None, webhook=note, reversal=to_refund(refund, now_ms))
            case Customer() as customer:
                told = to_registration(customer, webhook.topic, origin, now_ms)
                await self._orders.record(store, now_ms, told, webhook=note)
            case CustomerRedact() as request:
                _check_shop(request.shop_domain, shop)
                await self._people.erase(store, to_person(request), now_ms)
            case CustomerDataRequest() as request:
                _check_shop(request.shop_domain, shop)
                log.warning("store %s: a customer asks what is kept of them; answer within 30 days", store.id)
            case ShopRedact() as request:
                _check_shop(request.shop_domain, shop)
                await self._people.erase_store(store)
            case Shop():
                log.warning("store %s: Shopify says that the app was uninstalled; its webhooks end here", store.id)

    def _check_sender(self, headers: dict[bytes, bytes], body: bytes, shop: ShopifySettings) -> None:
        """Raises: Unauthorized for a signature that is none of ours, Forbidden for another shop, Malformed for no body.

        What comes unsigned in this shop's name is counted: most likely the secret is wrong, and orders are being lost.
        """
        secrets = [secret.get_secret_value() for secret in shop.webhook_secrets]
        domain = _text(headers, b"x-shopify-shop-domain")
        if not is_signed(body, _text(headers, b"x-shopify-hmac-sha256"), secrets):
            if domain.strip().lower() == shop.shop:
                self._orders.note_unsigned(self._settings, now_ms())
            raise Unauthorized("the signature does not fit: compare [stores.shopify] webhook_secrets with the admin's")
        if domain:
            _check_shop(domain, shop)
        if not body:
            raise Malformed("body: empty")


def _check_shop(domain: str, shop: ShopifySettings) -> None:
    if domain.strip().lower() != shop.shop:
        raise Forbidden("this webhook is another shop's")


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
