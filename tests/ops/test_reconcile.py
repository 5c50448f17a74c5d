"""Orders that no webhook told of are found and sent, once; what is deliberately not sent says why."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

import gateway.app
from gateway.clock import now_ms
from gateway.demo.fake_admin import FakeAdmin
from gateway.errors import CommandError
from gateway.intake.orders import OrderIntake
from gateway.intake.tokens import Tokens
from gateway.model.conversion import BuyerIds, Conversion, NotSent, Reason
from gateway.model.event import Event, Page, Source
from gateway.model.outcome import Fate
from gateway.ops.control import open_desk
from gateway.ops.desk import Desk
from gateway.ops.errands import Checked, Reconcile, Standing, State
from gateway.ops.reconcile import Reconciler, judge, judge_recorded, parse_since
from gateway.ops.schedule import BACK_S, EVERY_S, FIRST_S, keep_reconciled
from gateway.settings import Settings
from gateway.shopify.admin_api import PAGE_SIZE, AdminApi
from gateway.store import Recorded, Store
from gateway.store.accounts import Account, Ending
from tests.ops.stand import Stand, open_stand, place, tell, visit
from tests.servers import PIXEL, SECRET_KEY, make_tree, write_config

OTHER = "C0OTHERPIXEL00000000"
BETA = {"id": "beta", "host": "t.beta.com", "origins": ["https://beta.com"], "cookie_domain": "beta.com"}
DAY = timedelta(days=1)


@pytest.fixture
async def stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path, capsys) as opened:
        yield opened


@contextlib.asynccontextmanager
async def local_store(settings: Settings) -> AsyncIterator[Store]:
    """The database, held by this test."""
    store = Store(settings.storage.url.get_secret_value())
    await store.start(now_ms())
    try:
        yield store
    finally:
        await store.stop()


def read_table(out: str) -> dict[tuple[str, str], int]:
    """The counts of a printed table, by state and reason."""
    found = {}
    for line in out.splitlines():
        store, count, rest = [*line.split(None, 2), "", "", ""][:3]
        if store == "acme" and count.isdigit():
            state = next(one for one in [*map(str, State), "in all"] if rest.startswith(one))
            found[state, rest.removeprefix(state).strip()] = int(count)
    return found


# -- The way of a lost order


async def test_orders_whose_webhooks_were_lost_are_healed_and_each_is_accepted_once(stand: Stand):
    async with stand.serving() as gateway:
        orders = [place(number) for number in (1001, 1002, 1003)]
        for order in orders:
            await visit(gateway, order, click=f"E.C.P.{order['id']}")
        await tell(gateway, orders[0])
        stand.admin.orders = orders

        code, out, err = await stand.run("reconcile")
        assert (code, err) == (1, "")
        assert read_table(out)["missing", ""] == 2
        assert "acme, missing: 1002, 1003; --send sends them" in out
        assert "purchase_1002" not in {event["event_id"] for event in gateway.events}

        code, out, _ = await stand.run("reconcile", "--send")
        assert code == 0
        assert "acme, queued now: 1002, 1003; the gateway is sending them" in out
        await stand.tiktok.until(lambda: "purchase_1003" in stand.count_sent())
        await gateway.drained()
        for order in orders:
            await tell(gateway, order, "orders/updated")

        code, out, _ = await stand.run("reconcile", "--send")
        assert code == 0
        assert read_table(out) == {("sent", ""): 3, ("in all", ""): 3}
        await gateway.drained()
    purchases = {event["event_id"]: event for event in stand.tiktok.events if event["event"] == "Purchase"}
    for order in orders:
        assert stand.count_sent()[f"purchase_{order['id']}"] == 1
        assert purchases[f"purchase_{order['id']}"]["user"]["ttclid"] == f"E.C.P.{order['id']}"
    assert {event["source"] for event in gateway.events if event["event_id"] == "purchase_1002"} == {"reconcile"}


async def test_while_no_gateway_runs_the_command_does_the_work_itself(stand: Stand):
    order = place(1001)
    async with stand.serving(deliver=False) as gateway:
        await visit(gateway, order)
    stand.admin.orders = [order]

    code, out, _ = await stand.run("reconcile", "--send")
    assert code == 0
    assert "acme, queued now: 1001; they are sent once the gateway runs" in out
    assert stand.count_sent() == {}
    async with stand.serving():
        await stand.tiktok.until(lambda: "purchase_1001" in stand.count_sent())


async def test_orders_of_many_pages_are_all_healed(stand: Stand):
    stand.change(consent="granted")
    count = 2 * PAGE_SIZE + 3
    stand.admin.orders = [place(1000 + number, timedelta(minutes=number)) for number in range(count)]
    async with stand.serving() as gateway:
        code, out, _ = await stand.run("reconcile", "--send")
        assert code == 0
        assert read_table(out) == {("queued now", ""): count, ("in all", ""): count}
        assert len(stand.admin.queries) == 3
        await gateway.drained()
    assert stand.count_sent() == {f"purchase_{1000 + number}": 1 for number in range(count)}


async def test_only_orders_since_then_are_compared(stand: Stand):
    stand.admin.orders = [place(1001, timedelta(hours=1)), place(1002, timedelta(hours=3)), place(1003, 6 * DAY)]
    for since, count in (("90m", 1), ("6h", 2), ("7d", 3)):
        _, out, _ = await stand.run("reconcile", "--since", since)
        assert read_table(out)["in all", ""] == count


async def test_a_second_pixel_gets_what_it_lacks(stand: Stand):
    order = place(1001)
    async with stand.serving() as gateway:
        await visit(gateway, order)
        await tell(gateway, order)
        await gateway.drained()
    stand.admin.orders = [order]
    stand.tiktok.pixels[OTHER] = "another-token"
    stand.change(pixels=[{"code": code, "access_token": token} for code, token in stand.tiktok.pixels.items()])
    async with stand.serving() as gateway:
        assert (await stand.run("reconcile", "--send"))[0] == 0
        await gateway.drained()
    bought = {key: count for key, count in stand.tiktok.counts.items() if key[1] == "Purchase"}
    assert bought == {(PIXEL, "Purchase", "purchase_1001"): 1, (OTHER, "Purchase", "purchase_1001"): 1}


# -- What is not sent, and why


async def test_what_is_deliberately_not_sent_is_not_missing(stand: Stand):
    stand.admin.orders = [
        place(1001, test=True),
        place(1002, source_name="pos"),
        place(1003, financial_status="pending"),
        place(1004, cancelled_at=datetime.now(UTC).isoformat()),
        place(1005),
        place(1006, 8 * DAY, updated_at=datetime.now(UTC).isoformat()),
    ]
    async with stand.serving() as gateway:
        code, out, _ = await stand.run("reconcile", "--send")
        assert gateway.events == []
    assert code == 0
    assert read_table(out) == {
        ("expired", "too old"): 1,
        ("not sent", "cancelled"): 1,
        ("not sent", "no_consent"): 1,
        ("not sent", "order_source"): 1,
        ("not sent", "test_order"): 1,
        ("not sent", "unpaid"): 1,
        ("in all", ""): 6,
    }
    assert "missing:" not in out


async def test_consent_that_came_later_lets_an_order_go(stand: Stand):
    order = place(1001)
    stand.admin.orders = [order]
    async with stand.serving() as gateway:
        await tell(gateway, order)
        code, out, _ = await stand.run("reconcile")
        assert (code, read_table(out)["not sent", "no_consent"]) == (0, 1)

        await visit(gateway, order)
        code, out, _ = await stand.run("reconcile", "--send")
        assert (code, read_table(out)["queued now", ""]) == (0, 1)
        await stand.tiktok.until(lambda: stand.count_sent().get("purchase_1001") == 1)


async def test_an_order_that_is_paid_by_now_is_missing(stand: Stand):
    unpaid = place(1001, financial_status="pending")
    async with stand.serving() as gateway:
        await visit(gateway, unpaid)
        await tell(gateway, unpaid)
        stand.admin.orders = [unpaid | {"financial_status": "paid"}]
        code, out, _ = await stand.run("reconcile")
    assert (code, read_table(out)["missing", ""]) == (1, 1)


async def test_an_order_in_the_outbox_waits(stand: Stand):
    order = place(1001)
    stand.admin.orders = [order]
    async with stand.serving(deliver=False) as gateway:
        await visit(gateway, order)
        await tell(gateway, order)
        code, out, _ = await stand.run("reconcile", "--send")
    assert (code, read_table(out)["waiting", ""]) == (0, 1)


async def test_orders_of_an_erased_person_are_never_told_again(stand: Stand):
    stand.change(consent="granted")
    order = place(1001)
    stand.admin.orders = [order]
    async with stand.serving() as gateway:
        await tell(gateway, order)
        await stand.run("erase", "--email", "buyer1001@example.com")
        code, out, _ = await stand.run("reconcile", "--send")
        assert (code, read_table(out)["not sent", "erased"]) == (0, 1)
        assert gateway.visitors == []


# -- Trouble


@pytest.mark.parametrize(
    ("trouble", "code", "sentence"),
    [
        ({"client_secret": "wrong"}, 2, "client_id and client_secret do not belong together"),
        ({"client_id": "", "client_secret": "", "admin_token": "shpat_wrong"}, 2, "refuses the Admin API token"),
        ({"api_base": "http://127.0.0.1:9"}, 1, "does not answer: ConnectError; try again later"),
    ],
)
@pytest.mark.parametrize("is_running", [True, False])
async def test_trouble_with_shopify_is_one_sentence(
    stand: Stand, is_running: bool, trouble: dict[str, str], code: int, sentence: str
):
    stand.change(shopify=stand.overrides["shopify"] | trouble)
    if is_running:
        async with stand.serving():
            ended, out, err = await stand.run("reconcile")
    else:
        ended, out, err = await stand.run("reconcile")
    assert ended == code
    assert err.startswith("acme: ")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert read_table(out) == {("in all", ""): 0}


async def test_a_missing_scope_is_named(stand: Stand):
    stand.admin.scopes.remove("read_orders")
    code, _, err = await stand.run("reconcile")
    assert (code, err) == (2, "acme: the app may not read this: give it the scope read_orders\n")


async def test_trouble_with_one_store_leaves_the_others_alone(stand: Stand):
    stand.change(consent="granted")
    store = make_tree(**stand.overrides)["stores"][0]
    stand.change(stores=[store | {"shopify": store["shopify"] | {"client_secret": "wrong"}}, store | BETA])
    stand.admin.orders = [place(1001)]

    code, out, err = await stand.run("reconcile", "--send")
    assert code == 2
    assert err.startswith("acme: ")
    assert "beta, queued now: 1001" in out
    assert (await stand.run("reconcile", "--store", "beta"))[0] == 0


async def test_without_credentials_the_mend_is_told(stand: Stand):
    stand.change(shopify={key: value for key, value in stand.overrides["shopify"].items() if "client" not in key})
    code, out, err = await stand.run("reconcile")
    assert (code, out) == (2, "")
    assert "set client_id and client_secret, or admin_token, in [stores.shopify]" in err


async def test_an_unknown_store_is_told_with_those_there_are(stand: Stand):
    code, _, err = await stand.run("reconcile", "--store", "beta")
    assert (code, err) == (2, "there is no store beta: it is one of acme\n")


async def test_a_gateway_of_an_older_configuration_says_so(stand: Stand):
    async with stand.serving():
        store = make_tree(**stand.overrides)["stores"][0]
        stand.config = write_config(stand.folder, server=stand.served_at, stores=[store, store | BETA])
        code, _, err = await stand.run("reconcile", "--store", "beta")
    assert (code, err) == (2, "beta: the running gateway does not know this store: restart it\n")


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize("mishap", ["drain", "end_tokens"])
async def test_a_throttled_query_and_an_ended_token_lose_no_order(stand: Stand, mishap: str):
    stand.change(consent="granted")
    clock = Clock()
    admin = FakeAdmin([place(1000 + number, timedelta(minutes=number)) for number in range(PAGE_SIZE + 1)], clock)
    standings: list[Standing] = []
    async with admin.serve() as url, httpx.AsyncClient(verify=False) as http, local_store(stand.settings) as store:
        shop = stand.settings.stores[0]
        shop = shop.model_copy(update={"shopify": shop.shopify and shop.shopify.model_copy(update={"api_base": url})})
        intake = OrderIntake(Tokens([SECRET_KEY]), store, stand.settings.delivery)
        reconciler = Reconciler(shop, intake, store, 168, now_ms)
        api = AdminApi(reconciler.shop, http, clock, clock.sleep)
        async for page in reconciler.check(api, 86_400, send=True):
            if not standings:
                getattr(admin, mishap)()
            standings += page
    assert [one.state for one in standings] == [State.QUEUED] * (PAGE_SIZE + 1)
    assert len({one.order_id for one in standings}) == PAGE_SIZE + 1
    assert clock.now_s > 1000 if mishap == "drain" else len(admin.granted) == 2


async def test_ctrl_c_ends_the_work_and_the_next_run_finishes_it(stand: Stand):
    stand.change(consent="granted")
    stand.admin.orders = [place(1000 + number, timedelta(minutes=number)) for number in range(2 * PAGE_SIZE)]
    stand.admin.cost_per_order, stand.admin.restore_rate = 30, 0.001  # the second page is put off for ever
    async with stand.serving() as gateway:
        command = (sys.executable, "-m", "gateway", "reconcile", "--send", "--config", str(stand.config))
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        await stand.tiktok.until(lambda: len(stand.count_sent()) == PAGE_SIZE, timeout_s=60)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert (process.returncode, err) == (130, b"")

        stand.admin.restore_rate = 1_000_000
        assert (await stand.run("reconcile", "--send"))[0] == 0
        await gateway.drained()
    assert stand.count_sent() == {f"purchase_{1000 + number}": 1 for number in range(2 * PAGE_SIZE)}


async def test_a_command_that_is_stopped_lets_go_of_the_database(stand: Stand):
    stand.change(consent="granted")
    stand.admin.orders = [place(1000 + number, timedelta(minutes=number)) for number in range(2 * PAGE_SIZE)]
    stand.admin.cost_per_order, stand.admin.restore_rate = 30, 0.001
    first = asyncio.Event()

    async def reconcile() -> None:
        async with open_desk(stand.settings, now_ms) as desk:
            async for report in desk.run(Reconcile(("acme",), 86_400, send=True)):
                if isinstance(report, Checked) and report.standings:
                    first.set()

    running = asyncio.create_task(reconcile())
    await first.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    stand.admin.restore_rate = 1_000_000
    _, out, _ = await stand.run("reconcile", "--send")
    assert read_table(out) == {("waiting", ""): PAGE_SIZE, ("queued now", ""): PAGE_SIZE, ("in all", ""): 2 * PAGE_SIZE}


# -- By itself


class Nap:
    """A sleep that tells how long it was meant to be, and ends when the test says so."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[float] = asyncio.Queue()
        self.may_end: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, seconds: float) -> None:
        self.begun.put_nowait(seconds)
        await self.may_end.get()

    async def end(self) -> float:
        """The next nap ends; how long it was meant to be."""
        seconds = await self.begun.get()
        self.may_end.put_nowait(None)
        return seconds


async def test_the_serving_gateway_heals_by_itself_every_half_hour(stand: Stand, caplog: pytest.LogCaptureFixture):
    stand.change(consent="granted")
    stand.admin.orders = [place(1001), place(1002, timedelta(seconds=BACK_S + 60))]
    nap = Nap()
    async with open_desk(stand.settings, now_ms) as desk:
        assert isinstance(desk, Desk)
        running = asyncio.create_task(keep_reconciled(desk, stand.settings, nap))
        assert await nap.end() == FIRST_S
        assert await nap.end() == EVERY_S
        assert "store acme: had not been sent and are queued now: 1001" in caplog.text

        stand.admin.clients.clear()
        assert await nap.end() == EVERY_S
        assert "store acme: its orders cannot be compared: no app has this client_id" in caplog.text
        assert "1002" not in caplog.text

        def fail(_: object) -> None:
            raise OSError("a defect")

        desk.run = fail  # type: ignore[assignment,method-assign]
        assert await nap.end() == EVERY_S
        assert await nap.begun.get() == EVERY_S
        assert "comparing orders failed" in caplog.text
        running.cancel()
        await asyncio.wait([running])


async def test_a_gateway_without_credentials_asks_nobody(stand: Stand):
    stand.change(shopify={key: value for key, value in stand.overrides["shopify"].items() if "client" not in key})
    async with open_desk(stand.settings, now_ms) as desk:
        assert isinstance(desk, Desk)
        await asyncio.wait_for(keep_reconciled(desk, stand.settings, Nap()), 60)


async def test_a_gateway_that_stops_leaves_no_look_behind(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateway.app, "BESIDE_AFTER_S", 0)
    async with stand.serving():
        for _ in range(200):
            await asyncio.sleep(0.01)
            if "reconcile" in {task.get_name() for task in asyncio.all_tasks()}:
                break
        else:
            pytest.fail("nothing looks for lost orders")
    assert "reconcile" not in {task.get_name() for task in asyncio.all_tasks()}


# -- Judging


EVENT = Event("Purchase", "purchase_1", 0, 0, Source.RECONCILE, Page("https://www.acme.com/"))
TOLD = Conversion(EVENT, BuyerIds())
CANCELLED = NotSent(Reason.CANCELLED)


def account(*fates: Fate | None, reason: str | None = None) -> Account:
    """An account with these fates, at the first pixels."""
    return Account(reason, {code: Ending(fate, "why") for code, fate in zip((PIXEL, OTHER), fates, strict=False)})


@pytest.mark.parametrize(
    ("told", "known", "state", "reason"),
    [
        (TOLD, account(), State.MISSING, None),
        (TOLD, account(Fate.ACCEPTED), State.MISSING, None),
        (TOLD, account(Fate.REJECTED), State.MISSING, None),
        (TOLD, account(reason="unpaid"), State.MISSING, None),
        (TOLD, account(reason="no_consent"), State.NOT_SENT, "no_consent"),
        (TOLD, account(reason="erased"), State.NOT_SENT, "erased"),
        (TOLD, account(Fate.ACCEPTED, Fate.ACCEPTED), State.SENT, "why"),
        (TOLD, account(Fate.ACCEPTED, None), State.WAITING, "why"),
        (TOLD, account(None, Fate.WITHDRAWN), State.NOT_SENT, "consent_withdrawn"),
        (TOLD, account(Fate.WITHDRAWN, Fate.EXPIRED), State.EXPIRED, "why"),
        (TOLD, account(Fate.EXPIRED, Fate.REJECTED), State.REJECTED, "why"),
        (TOLD, account(Fate.ACCEPTED, Fate.NOT_SENT), State.NOT_SENT, "why"),
        (CANCELLED, account(), State.NOT_SENT, "cancelled"),
        (CANCELLED, account(Fate.ACCEPTED), State.SENT, "why"),
        (CANCELLED, account(reason="unpaid"), State.NOT_SENT, "cancelled"),
    ],
)
def test_an_order_stands_where_its_worst_pixel_stands(
    told: Conversion | NotSent, known: Account, state: State, reason: str | None
):
    assert judge(told, known, [PIXEL, OTHER], is_late=False) == (state, reason)


def test_a_late_order_is_no_longer_missing():
    assert judge(TOLD, account(), [PIXEL], is_late=True) == (State.EXPIRED, "too old")
    assert judge(TOLD, account(Fate.ACCEPTED), [PIXEL, OTHER], is_late=True) == (State.SENT, "why")


def test_an_order_that_no_pixel_takes_is_not_missing():
    assert judge(TOLD, account(), [], is_late=False) == (State.NOT_SENT, "no_pixel")


def test_an_order_that_somebody_else_told_meanwhile_waits():
    assert judge_recorded(Recorded(duplicates=1)) == (State.WAITING, None)
    assert judge_recorded(Recorded(is_ignored=True)) == (State.NOT_SENT, "erased")


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("6h", 21_600), ("7d", 604_800)])
def test_since_is_a_number_and_a_unit(text: str, seconds: int):
    assert parse_since(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "7 d", "1w", "99999d", "7d\n"])
def test_any_other_since_is_refused(text: str):
    with pytest.raises(CommandError, match="--since"):
        parse_since(text)
