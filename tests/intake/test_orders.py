"""What a shop tells becomes one receipt: for the pixels that take it, while it may be sent, with every way back."""

from __future__ import annotations

import hashlib
import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.orders import OrderIntake, find_buyer_anchors
from gateway.intake.tokens import Tokens
from gateway.model.conversion import BuyerIds, Conversion, NotSent, OrderFacts, Reason, Reversal, ReversalKind
from gateway.model.event import Event, Page, Source, User
from gateway.settings import Settings
from gateway.store import Receipt, Recorded, Store
from gateway.store.receipt import AnchorKind, OrderNote, WebhookNote
from tests.servers import PIXEL, make_settings

NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
NEW_KEY, OLD_KEY = "the newest key, of 32 bytes and more", "an older key, of 32 bytes and even more"
PERSON = BuyerIds(None, "c1", "k1", "42", "e" * 64, "f" * 64)
FACTS = OrderFacts("7", "#1001", NOW_MS, Decimal(20), "EUR")


class Notebook(Store):
    """A store that writes down what it is to record, and records nothing."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []

    async def record(self, receipt: Receipt) -> Recorded:
        self.receipts.append(receipt)
        return Recorded()


class Desk:
    """Takes what a shop tells, and gives the receipt that came of it."""

    def __init__(self, settings: Settings, keys: tuple[str, ...] = (NEW_KEY,)) -> None:
        self._settings = settings
        self._store = Notebook()
        self.tokens = Tokens(keys)
        self._intake = OrderIntake(self.tokens, self._store, settings.delivery)

    async def take(self, told: Conversion | NotSent | None, **said: Any) -> Receipt:
        await self._intake.record(self._settings.stores[0], NOW_MS, told, **said)
        return self._store.receipts[-1]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(make_settings(tmp_path))


def make_conversion(ids: BuyerIds = PERSON, fallback: User = User(), **said: Any) -> Conversion:  # noqa: B008 - frozen
    usual = {
        "event": "Purchase",
        "event_id": "purchase_7",
        "occurred_ms": NOW_MS - HOUR_MS,
        "received_ms": NOW_MS,
        "source": Source.WEBHOOK,
        "page": Page("https://www.acme.com/?ttclid=E.C.P.landed"),
    }
    return Conversion(Event(**usual | said), ids, fallback)


async def test_a_purchase_is_queued_for_each_pixel_that_takes_it(tmp_path: Path):
    pixels = [
        {"code": PIXEL, "access_token": "t"},
        {"code": "C0OTHERPIXEL00000000", "access_token": "t", "events": ["Purchase"]},
        {"code": "C0THIRDPIXEL00000000", "access_token": "t", "events": ["ViewContent"]},
    ]
    receipt = await Desk(make_settings(tmp_path, pixels=pixels)).take(make_conversion(), facts=FACTS)
    assert [queued.pixel_code for queued in receipt.events] == [PIXEL, "C0OTHERPIXEL00000000"]
    assert receipt.order == OrderNote(FACTS, None)


async def test_a_purchase_that_no_pixel_takes_is_accounted_for_and_makes_no_visitor(tmp_path: Path):
    pixels = [{"code": PIXEL, "access_token": "t", "events": ["ViewContent"]}]
    settings = make_settings(tmp_path, pixels=pixels, consent="granted")
    receipt = await Desk(settings).take(make_conversion(), facts=FACTS)
    assert (receipt.events, receipt.may_create) == ((), False)
    assert receipt.order == OrderNote(FACTS, Reason.NO_PIXEL)


@pytest.mark.parametrize("max_age_h", [24, 168])
async def test_a_purchase_may_be_sent_until_it_is_too_old(tmp_path: Path, max_age_h: int):
    desk = Desk(make_settings(tmp_path, delivery={"max_age_h": max_age_h}))
    [queued] = (await desk.take(make_conversion())).events
    assert queued.expires_ms == NOW_MS - HOUR_MS + max_age_h * HOUR_MS


async def test_every_way_back_is_in_the_receipt_the_surest_first(desk: Desk):
    receipt = await desk.take(make_conversion())
    assert receipt.is_browserless
    assert [anchor.kind for anchor in receipt.anchors] == [
        AnchorKind.CHECKOUT,
        AnchorKind.CART,
        AnchorKind.CUSTOMER,
        AnchorKind.EMAIL,
        AnchorKind.PHONE,
    ]


async def test_what_an_order_does_not_say_leads_nowhere(desk: Desk):
    receipt = await desk.take(make_conversion(BuyerIds()))
    assert (receipt.known_id, receipt.anchors) == (None, ())
    assert receipt.sighting.identity == type(receipt.sighting.identity)()


async def test_a_companion_counts_when_it_is_signed_by_any_of_our_keys(tmp_path: Path):
    desk = Desk(make_settings(tmp_path), (NEW_KEY, OLD_KEY))
    visitor = "0190000000007000800000000000000a"
    for key in (NEW_KEY, OLD_KEY):
        companion = Tokens([key]).sign_companion("acme", visitor)
        assert (await desk.take(make_conversion(BuyerIds(companion)))).known_id == visitor


@pytest.mark.parametrize(
    "companion",
    [
        Tokens([NEW_KEY]).sign_companion("other-shop", "0190000000007000800000000000000a"),
        Tokens(["somebody else's key, of 32 bytes and more"]).sign_companion(
            "acme", "0190000000007000800000000000000a"
        ),
        "c.0190000000007000800000000000000a",
        "c.0190000000007000800000000000000a.",
        "x" * 5000,
        "ü",
        "",
        None,
    ],
)
async def test_a_companion_of_another_store_or_hand_leads_nowhere(desk: Desk, companion: str | None):
    assert (await desk.take(make_conversion(BuyerIds(companion)))).known_id is None


def test_anchors_made_under_an_older_key_still_lead_back():
    tokens, older = Tokens([NEW_KEY, OLD_KEY]), Tokens([OLD_KEY])
    assert set(find_buyer_anchors(older, "acme", PERSON)) < set(find_buyer_anchors(tokens, "acme", PERSON))


async def test_who_bought_is_noted_in_digests_alone(desk: Desk):
    identity = (await desk.take(make_conversion())).sighting.identity
    assert (identity.email, identity.phone) == ("e" * 64, "f" * 64)
    assert identity.external_id == hashlib.sha256(b"42").hexdigest()


async def test_the_click_of_the_landing_fills_gaps_only(desk: Desk):
    receipt = await desk.take(make_conversion(fallback=User(ip="198.51.100.9")))
    assert (receipt.sighting.click.ttclid, receipt.sighting.click.at_ms) == ("E.C.P.landed", 0)
    assert (receipt.fallback.ttclid, receipt.fallback.ip) == ("E.C.P.landed", "198.51.100.9")


async def test_a_click_parameter_of_the_stores_own_name_is_read_too(tmp_path: Path):
    desk = Desk(make_settings(tmp_path, click_params=["ttclid", "tc"]))
    receipt = await desk.take(make_conversion(page=Page("https://www.acme.com/?tc=E.C.P.other")))
    assert receipt.sighting.click.ttclid == "E.C.P.other"


async def test_a_landing_without_a_click_says_none(desk: Desk):
    receipt = await desk.take(make_conversion(page=Page("https://www.acme.com/")))
    assert (receipt.sighting.click, receipt.fallback.ttclid) == (None, None)


@pytest.mark.parametrize(
    ("name", "hold_ms"), [("Purchase", 30_000), ("InitiateCheckout", 0), ("CompleteRegistration", 0)]
)
async def test_only_a_purchase_waits_for_a_browser_that_may_know_more(tmp_path: Path, name: str, hold_ms: int):
    desk = Desk(make_settings(tmp_path, delivery={"purchase_hold_s": 30}))
    assert (await desk.take(make_conversion(event=name))).hold_unknown_ms == hold_ms


@pytest.mark.parametrize(("consent", "may_create"), [("shopify", False), ("required", False), ("granted", True)])
async def test_a_visitor_is_made_of_an_order_only_where_consent_is_granted(
    tmp_path: Path, consent: str, may_create: bool
):
    desk = Desk(make_settings(tmp_path, consent=consent))
    assert (await desk.take(make_conversion())).may_create is may_create
    assert (await desk.take(NotSent(Reason.UNPAID, PERSON))).may_create is False
    assert (await desk.take(None)).may_create is False


async def test_what_is_not_sent_still_tells_whose_it_is_and_why(desk: Desk):
    receipt = await desk.take(NotSent(Reason.UNPAID, PERSON), facts=FACTS)
    assert (receipt.events, receipt.hold_unknown_ms) == ((), 0)
    assert len(receipt.anchors) == 5
    assert receipt.order == OrderNote(FACTS, Reason.UNPAID)


async def test_a_refund_is_a_receipt_of_nobody(desk: Desk):
    reversal = Reversal(ReversalKind.REFUND, "7", Decimal(5), "EUR", NOW_MS)
    note = WebhookNote("w-1", "refunds/create")
    receipt = await desk.take(None, webhook=note, reversal=reversal)
    assert (receipt.events, receipt.anchors, receipt.order) == ((), (), None)
    assert (receipt.webhook, receipt.reversal) == (note, reversal)


async def test_every_receipt_has_an_id_of_its_own_for_a_new_visitor(desk: Desk):
    ids = [(await desk.take(make_conversion())).new_id for _ in range(3)]
    assert all(one < two for one, two in itertools.pairwise(ids))
