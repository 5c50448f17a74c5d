"""One search finds orders, events and people by whatever is at hand, by index alone, and shows nothing personal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import event as listening

from gateway.intake.inquiry import parse_inquiry
from gateway.intake.tokens import Tokens
from gateway.model.conversion import OrderFacts
from gateway.model.dossier import Dossier
from gateway.model.event import Properties, Source, User
from gateway.model.normalise import hash_email
from gateway.model.outcome import Fate
from gateway.model.visitor import Identity
from gateway.store import Store
from gateway.store.receipt import AnchorKind, OrderNote
from gateway.store.search import FEW, LONGEST, search
from tests.store.samples import LANE, NOW_MS, STORE, YES, make_event, make_receipt, make_sighting, settled

TOKENS = Tokens(["a test installation's key, 32 bytes and more"])
EMAIL = "ada@example.com"
ADA = Identity(email=hash_email(EMAIL))
IP, AGENT = "2001:db8::7", "Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0"


def anchors(value: str | None, kind: AnchorKind):
    return TOKENS.anchors(STORE, kind, value)


async def look(store: Store, text: str, store_id: str = STORE) -> Dossier:
    inquiry = parse_inquiry(TOKENS, store_id, text)
    return await store.read(lambda connection: search(connection, store_id, inquiry))


async def shop(store: Store) -> str:
    """Ada came with a click, bought order 7 called #1042, and somebody else looked around; Ada's visitor id."""
    seen = make_sighting(identity=ADA, consent=YES, ip=IP, user_agent=AGENT)
    links = (*anchors("cart-1", AnchorKind.CART), *anchors(ADA.email, AnchorKind.EMAIL))
    ada = await store.record(make_receipt(make_event(user=User(ip=IP)), sighting=seen, anchors=links))
    bought = make_event(
        event="Purchase", event_id="purchase_7", source=Source.WEBHOOK, properties=Properties(value=Decimal("38.36"))
    )
    facts = OrderFacts("7", "#1042", NOW_MS, Decimal("38.36"), "EUR")
    await store.record(
        make_receipt(bought, order=OrderNote(facts), is_browserless=True, anchors=anchors("cart-1", AnchorKind.CART))
    )
    await store.record(make_receipt(make_event()))
    return ada.visitor.id


@pytest.mark.parametrize("text", ["#1042", "1042", " 1042 ", "7", "gid://shopify/Order/7", "purchase_7"])
async def test_an_order_is_found_with_its_purchase_and_its_buyer(store: Store, text: str):
    ada = await shop(store)
    found = await look(store, text)
    assert [order.name for order in found.orders] == ["#1042"]
    assert [(event.event_id, event.found_by) for event in found.events] == [("purchase_7", "cart")]
    assert [visitor.id for visitor in found.visitors] == [ada]


@pytest.mark.parametrize("by", ["email", "Email in capitals", "visitor id"])
async def test_a_person_is_found_with_all_that_is_theirs(store: Store, by: str):
    ada = await shop(store)
    found = await look(store, {"email": EMAIL, "Email in capitals": f" {EMAIL.upper()}", "visitor id": ada}[by])
    assert [event.event for event in found.events] == ["Purchase", "ViewContent"]
    assert [order.id for order in found.orders] == ["7"]
    assert [visitor.id for visitor in found.visitors] == [ada]


async def test_both_browsers_of_a_person_are_found(store: Store):
    """The link leads to one visitor alone; the email itself is known of both."""
    for _ in range(2):
        seen = make_sighting(identity=ADA)
        await store.record(make_receipt(make_event(), sighting=seen, anchors=anchors(ADA.email, AnchorKind.EMAIL)))
    assert len((await look(store, EMAIL)).visitors) == 2


async def test_an_event_is_found_by_either_of_its_ids(store: Store):
    told = make_event()
    await store.record(make_receipt(told))
    [found] = (await look(store, told.event_id)).events
    assert (await look(store, found.id)).events == (found,)


@pytest.mark.parametrize("text", ["", "   ", "#", "nobody@example.com", "no\nline", "8", "x" * 257, "%", "' OR 1=1"])
async def test_what_is_not_there_is_not_found(store: Store, text: str):
    await shop(store)
    assert await look(store, text) == Dossier()


async def test_another_stores_orders_are_not_found(store: Store):
    await shop(store)
    assert await look(store, "#1042", "other-shop") == Dossier()


async def test_an_event_has_all_that_was_tried_with_it(store: Store):
    await store.record(make_receipt(make_event(event_id="e-1")))
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    answer: dict[str, Any] = {
        "verdict": "reject",
        "http_status": 200,
        "code": 40002,
        "message": "no",
        "request_id": "r1",
    }
    await store.settle(STORE, "lease", [settled(claimed, fate=Fate.REJECTED, reason="no", **answer)])
    [event] = (await look(store, "e-1")).events
    assert (event.fate, event.reason, event.due_ms) == (Fate.REJECTED, "no", None)
    [attempt] = event.attempts
    assert (attempt.verdict, attempt.code, attempt.message, attempt.request_id) == ("reject", 40002, "no", "r1")


async def test_a_dossier_shows_nothing_personal(store: Store):
    await shop(store)
    for text in ("#1042", EMAIL):
        shown = msgspec.json.encode(await look(store, text)).decode()
        for secret in (EMAIL, ADA.email or "-", IP, AGENT, "acme.com/"):
            assert secret not in shown
        assert "IPv6" in shown
        assert "firefox" in shown


async def test_a_long_answer_is_cut_and_says_so(store: Store):
    browser = await store.record(make_receipt())
    for _ in range(LONGEST + 2):
        await store.record(make_receipt(make_event(), known_id=browser.visitor.id))
    found = await look(store, browser.visitor.id)
    assert (len(found.events), found.is_cut) == (LONGEST, True)
    assert FEW < LONGEST


async def test_every_look_up_has_an_index(store: Store):
    await shop(store)
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if store._engine.dialect.name == "sqlite" and statement.startswith("SELECT"):
            plan = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in plan)

    listening.listen(store._engine, "before_cursor_execute", explain)
    for text in ("#1042", EMAIL, "0" * 32, "purchase_7"):
        await look(store, text)
    assert not [plan for plan in plans if plan.startswith("SCAN") and "CONSTANT" not in plan and "subquery" not in plan]
    for step in (plan for plan in plans if plan.startswith("SEARCH")):
        assert step.count("=?") >= 2 or "id>? AND id<?" in step, step  # never by the store alone
