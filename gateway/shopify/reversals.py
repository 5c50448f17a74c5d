"""Money that went back: what a refund or a cancellation says of an order that may have been told as a purchase.

Called by `gateway.web`; the facts are for the merchant's own ledger. TikTok is told nothing: it documents no reversal.
"""

from __future__ import annotations

from decimal import Decimal

from gateway.model.conversion import Reversal, ReversalKind
from gateway.shopify.contents import find_order_worth
from gateway.shopify.resources import Order, Refund, to_ms


def to_refund(refund: Refund, received_ms: int) -> Reversal:
    """What has been paid back so far by this refund; unknown when it was paid back in several currencies."""
    paid = [one for one in refund.transactions or () if one.kind == "refund" and one.status == "success"]
    currencies = {one.currency for one in paid}
    is_clear = len(currencies) == 1
    return Reversal(
        kind=ReversalKind.REFUND,
        order_id=str(refund.order_id),
        amount=sum((one.amount or Decimal(0) for one in paid), Decimal(0)) if is_clear else None,
        currency=currencies.pop() if is_clear else None,
        occurred_ms=to_ms(refund.processed_at or refund.created_at) or received_ms,
    )


def to_cancellation(order: Order) -> Reversal | None:
    """The cancellation of the whole order; None when the body says that it stands, whatever the topic claims."""
    occurred_ms = to_ms(order.cancelled_at)
    if occurred_ms is None:
        return None
    worth = find_order_worth(order)
    return Reversal(
        kind=ReversalKind.CANCELLATION,
        order_id=str(order.id),
        amount=worth.amount if worth else None,
        currency=worth.currency_code if worth else None,
        occurred_ms=occurred_ms,
    )
