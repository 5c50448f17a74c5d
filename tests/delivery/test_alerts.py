"""The watch: each trouble is told once, and once more when it is over, whatever becomes of processes and webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway.delivery import alerts
from gateway.delivery.alerts import Watch
from gateway.delivery.troubles import Cause, RejectWatch, WriteWatch, is_nearly_full, is_off, is_silent, to_sentence
from gateway.errors import StoreUnavailable
from gateway.model.outcome import Fate
from gateway.store import Store
from gateway.store.alerts import CLAIM_MS, OVER_AFTER_MS, News, find_troubles, note_told, note_verdicts
from gateway.store.receipt import WebhookNote
from tests.delivery.rig import BAD_PAGE, HOUR_S, OTHER, PIXEL, START_MS, STORE, TOKENS, Delivery
from tests.servers import listen, make_settings
from tests.store.samples import make_receipt, make_sighting

PIXELS = ({"code": PIXEL}, {"code": OTHER})
GONE = "C0GONEPIXEL000000000"
OVER_S = OVER_AFTER_MS / 1000 + 1
DAY_S = 24 * HOUR_S
HOUR_MS = 3_600_000
SHOPIFY = {"shop": "acme.myshopify.com", "webhook_secrets": ["a-secret-of-shopify"]}
ROOMY, FULL = (10**12, 10**11), (10**12, 10**10)


class Receiver:
    """A chat's webhook: keeps what it is told, and answers as it is bidden."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (scope["type"], scope["method"], scope["path"]) == ("http", "POST", "/hooks/a-secret")
        assert (b"content-type", b"application/json") in scope["headers"]
        body = (await receive())["body"]
        if self.status == 200:
            self.messages.append(json.loads(body))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    @property
    def texts(self) -> list[str]:
        assert all(list(message) == ["text"] for message in self.messages)
        return [message["text"] for message in self.messages]


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    server = uvicorn.Server(uvicorn.Config(receiver, lifespan="off", log_config=None))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    stopping = asyncio.Event()
    server.main_loop = stopping.wait  # type: ignore[method-assign,assignment]
    with listen() as sock:
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield receiver, f"http://127.0.0.1:{sock.getsockname()[1]}/hooks/a-secret"
        finally:
            stopping.set()
            await serving


class Duty:
    """A watch over a delivery, the chat it tells, and a disk whose size is said."""

    def __init__(self, delivery: Delivery, receiver: Receiver, url: str, folder: Path) -> None:
        self.delivery, self.receiver = delivery, receiver
        self.disk = ROOMY
        pixels = [{"code": code, "access_token": token} for code, token in TOKENS.items()]
        told = {"pixels": pixels, "alerts": {"webhook_url": url}, "delivery": {"api_base": delivery._url}}
        self._settings = make_settings(folder, shopify=SHOPIFY, **told)
        self.delivery.build(PIXELS)
        self.watch = self.build()

    def build(self) -> Watch:
        """One more process's watch."""
        rig = self.delivery
        return Watch(self._settings, rig.store, rig.deliverer, rig.clock, lambda _: self.disk)

    def deliver(self) -> None:
        """The process that this watch is in delivers from now on."""
        self.delivery.running = asyncio.create_task(self.delivery.deliverer.run())

    async def restart(self) -> None:
        """The process is gone, and there is another that does not deliver yet."""
        await self.delivery.crash()
        self.delivery.build(PIXELS)
        self.watch = self.build()

    async def look(self, after_s: float = 0) -> list[str]:
        """What this look told."""
        self.delivery.clock.turn(after_s)
        known = len(self.receiver.texts)
        await self.watch.look()
        return self.receiver.texts[known:]

    async def hear(self, name: str) -> None:
        """A webhook came."""
        sighting = make_sighting(self.delivery.clock.ms)
        receipt = make_receipt(sighting=sighting, is_browserless=True, webhook=WebhookNote(name, "orders/paid"))
        await self.delivery.store.record(receipt)


@pytest.fixture
async def duty(delivery: Delivery, tmp_path: Path) -> AsyncIterator[Duty]:
    async with receiving() as (receiver, url):
        yield Duty(delivery, receiver, url, tmp_path)


async def told_once(duty: Duty, begin: Callable[[], Any], end: Callable[[], Any]) -> tuple[str, str]:
    """What is told when a trouble begins and when it is over: each once, with looks between and after."""
    assert await duty.look() == []
    await begin()
    [begun] = await duty.look()
    assert await duty.look(30) == []
    assert await duty.look(60) == []
    await end()
    assert await duty.look(1) == []
    [over] = await duty.look(OVER_S)
    assert await duty.look(60) == []
    assert await duty.delivery.store.read(find_troubles) == []
    return begun, over


# Each cause


async def test_a_disk_nearly_full_is_told_once_and_so_is_its_end(duty: Duty):
    async def fill() -> None:
        duty.disk = FULL

    async def clear() -> None:
        duty.disk = ROOMY

    assert await told_once(duty, fill, clear) == (
        "tag-gateway: the disk of the database is nearly full. When it is, nothing more can be taken in.",
        "tag-gateway: resolved: the disk of the database has room again.",
    )


async def test_refused_credentials_are_told_once_and_so_is_their_end(duty: Duty):
    rig = duty.delivery
    good = dict(rig.tiktok.pixels)

    async def revoke() -> None:
        rig.tiktok.pixels = {PIXEL: "another-token"}
        await rig.queue(*rig.make_events(1))
        duty.deliver()
        await rig.settle_all(1)

    async def heal() -> None:
        await rig.settle_all(2)  # the probe that the looks before have made due
        rig.tiktok.pixels = good
        rig.clock.turn(61)
        await rig.store.until(lambda: rig.store.settled[-1].fate is Fate.ACCEPTED)
        await rig.store.until(lambda: not rig.deliverer.paused)

    begun, over = await told_once(duty, revoke, heal)
    assert begun == (
        f"tag-gateway, store acme: TikTok refuses the access token of pixel {PIXEL}. "
        "Its events wait until it has a valid one."
    )
    assert over == f"tag-gateway, store acme: resolved: TikTok takes the access token of pixel {PIXEL} again."


async def test_a_backlog_of_over_an_hour_is_told_once_and_so_is_its_end(duty: Duty):
    rig = duty.delivery

    async def wait() -> None:
        await rig.queue(*rig.make_events(1))
        assert await duty.look(HOUR_S) == []
        rig.clock.turn(1)

    async def deliver() -> None:
        duty.deliver()
        await rig.settle_all(1)

    begun, over = await told_once(duty, wait, deliver)
    assert begun == "tag-gateway, store acme: the oldest event has waited for more than an hour to reach TikTok."
    assert over == "tag-gateway, store acme: resolved: no event waits for more than an hour any more."


async def test_rejects_over_one_percent_are_told_once_and_so_is_their_end(duty: Duty):
    rig = duty.delivery

    async def spoil() -> None:
        await rig.queue(*rig.make_events(5, page=BAD_PAGE))
        duty.deliver()
        await rig.settle_all(5)

    async def pass_an_hour() -> None:
        rig.clock.turn(HOUR_S - 90)
        assert await duty.look() == []
        await rig.queue(*rig.make_events(10)[5:])
        await rig.settle_all(10)

    begun, over = await told_once(duty, spoil, pass_an_hour)
    assert begun.startswith("tag-gateway, store acme: more than 1 % of the last hour's events were rejected.")
    assert over == "tag-gateway, store acme: resolved: no more than 1 % of the events are rejected again."


async def test_webhooks_that_stay_away_are_told_once_and_so_is_their_return(duty: Duty):
    async def stay_away() -> None:
        for day in range(5):
            await duty.hear(f"webhook-{day}")
            duty.delivery.clock.turn(DAY_S)
            assert await duty.look(-1) == []
            duty.delivery.clock.turn(1)

    async def come_back() -> None:
        await duty.hear("webhook-back")

    begun, over = await told_once(duty, stay_away, come_back)
    assert begun == (
        "tag-gateway, store acme: no webhook from Shopify for a day, where there usually are. "
        "Are they still registered?"
    )
    assert over == "tag-gateway, store acme: resolved: webhooks from Shopify arrive again."


async def test_a_clock_that_is_off_is_told_until_any_pixels_answer_says_otherwise(
    duty: Duty, monkeypatch: pytest.MonkeyPatch
):
    rig = duty.delivery

    async def turn_back() -> None:
        monkeypatch.setattr(rig.tiktok, "_clock", lambda: rig.clock.read_s() - 400)
        await rig.queue(*rig.make_events(1))
        duty.deliver()
        await rig.settle_all(1)

    async def set_right() -> None:
        monkeypatch.setattr(rig.tiktok, "_clock", rig.clock.read_s)
        await rig.queue(*rig.make_events(1), pixel=OTHER)
        await rig.settle_all(2)

    assert await told_once(duty, turn_back, set_right) == (
        "tag-gateway: this machine's clock is minutes off TikTok's, and so are the times of events. Does NTP run?",
        "tag-gateway: resolved: this machine's clock is right again.",
    )


# What ends nothing


async def hear_for_days(duty: Duty) -> None:
    """A webhook a day, and then a day without."""
    for day in range(5):
        await duty.hear(f"webhook-{day}")
        duty.delivery.clock.turn(DAY_S)


async def test_webhooks_that_stay_away_for_ten_days_are_told_once_and_have_not_come_back(duty: Duty):
    """On ever fewer of the days looked at there were any."""
    await hear_for_days(duty)
    assert len(await duty.look()) == 1
    for _ in range(10):
        assert await duty.look(DAY_S) == []
    assert await duty.delivery.store.read(find_troubles) == [(STORE, "webhooks")]
    await duty.hear("webhook-back")
    [over] = await duty.look()
    assert "webhooks from Shopify arrive again" in over


async def test_a_process_that_does_not_deliver_ends_no_trouble_with_tiktok(duty: Duty):
    rig = duty.delivery
    rig.tiktok.pixels = TOKENS | {PIXEL: "another-token"}
    await rig.queue(*rig.make_events(1))
    duty.deliver()
    await rig.settle_all(1)
    assert len(await duty.look()) == 1
    await rig.crash()
    duty.watch._deliverer = None
    for _ in range(5):
        assert await duty.look(OVER_S) == []
    assert await rig.store.read(find_troubles) == [(STORE, f"credentials {PIXEL}")]


async def test_a_restarted_process_ends_refused_credentials_when_tiktok_has_accepted_something(duty: Duty):
    rig = duty.delivery
    good = dict(rig.tiktok.pixels)
    rig.tiktok.pixels = TOKENS | {PIXEL: "another-token"}
    await rig.queue(*rig.make_events(1))
    duty.deliver()
    await rig.settle_all(1)
    assert len(await duty.look()) == 1
    await duty.restart()
    rig.tiktok.pixels = good
    assert await duty.look(OVER_S) == []
    duty.deliver()
    await rig.settle_all(2)
    [over] = await duty.look()
    assert f"TikTok takes the access token of pixel {PIXEL} again" in over


async def test_a_restart_or_a_night_ends_no_rejects(duty: Duty):
    rig = duty.delivery
    await rig.queue(*rig.make_events(5, page=BAD_PAGE))
    duty.deliver()
    await rig.settle_all(5)
    assert len(await duty.look()) == 1
    for _ in range(5):
        assert await duty.look(HOUR_S) == []
    await duty.restart()
    duty.deliver()
    await rig.queue(*rig.make_events(10)[5:])
    await rig.settle_all(10)
    assert await duty.look(OVER_S) == []
    [over] = await duty.look(HOUR_S)
    assert "no more than 1 % of the events are rejected again" in over


async def test_a_paused_pixel_that_is_configured_no_more_is_not_told_to_be_well(duty: Duty):
    refused = (STORE, f"{Cause.CREDENTIALS} {GONE}")
    await duty.delivery.store.run(lambda cursor: note_verdicts(cursor, {refused: True}, START_MS))
    await duty.delivery.store.run(lambda cursor: note_told(cursor, News(refused, is_over=False), START_MS))
    assert await duty.look(OVER_S) == []
    assert await duty.delivery.store.read(find_troubles) == []


# One message for one cause


async def test_what_waits_for_a_pixel_that_is_configured_no_more_is_no_backlog(duty: Duty):
    rig = duty.delivery
    await rig.queue(*rig.make_events(1), pixel=GONE)
    assert await duty.look(2 * HOUR_S) == []
    await rig.queue(*rig.make_events(1))
    assert len(await duty.look(2 * HOUR_S)) == 1
    duty.deliver()
    await rig.settle_all(1)
    [over] = await duty.look(OVER_S)
    assert "resolved: no event waits" in over


async def test_what_waits_for_a_valid_token_is_no_backlog_besides(duty: Duty):
    rig = duty.delivery
    rig.tiktok.pixels = TOKENS | {PIXEL: "another-token"}
    await rig.queue(*rig.make_events(1))
    duty.deliver()
    await rig.settle_all(1)
    [begun] = await duty.look()
    assert "access token" in begun
    assert await duty.look(2 * HOUR_S) == []


async def test_a_backlog_does_not_end_because_the_token_is_refused_as_well(duty: Duty):
    rig = duty.delivery
    await rig.queue(*rig.make_events(1))
    assert len(await duty.look(2 * HOUR_S)) == 1
    rig.tiktok.pixels = TOKENS | {PIXEL: "another-token"}
    duty.deliver()
    await rig.settle_all(1)
    [begun] = await duty.look()
    assert "access token" in begun
    assert await duty.look(2 * OVER_S) == []
    assert await duty.look(2 * OVER_S) == []


# The database itself


class Disk:
    """Whether the database takes writes, which a store's check says."""

    is_full = False

    async def check(self) -> None:
        if self.is_full:
            raise StoreUnavailable("database or disk is full")


async def test_a_database_that_takes_no_writes_is_told_once_and_so_is_its_end(
    duty: Duty, monkeypatch: pytest.MonkeyPatch
):
    disk = Disk()
    monkeypatch.setattr(duty.delivery.store, "check", disk.check)
    disk.is_full = True
    assert await duty.look() == []  # it may be a failover
    duty.receiver.status = 503
    assert await duty.look(30) == []
    duty.receiver.status = 200
    [begun] = await duty.look(30)
    assert begun == "tag-gateway: the database takes no writes, so nothing is taken in. The log says why."
    for _ in range(3):
        assert await duty.look(HOUR_S) == []
    disk.is_full = False
    assert await duty.look(30) == []
    disk.is_full = True
    for _ in range(2):
        assert await duty.look(30) == []
    disk.is_full = False
    assert await duty.look(OVER_S - 1) == []
    assert await duty.look(1) == ["tag-gateway: resolved: the database takes writes again."]
    assert await duty.look(HOUR_S) == []


def test_writes_that_fail_now_and_then_are_told_to_nobody():
    watch = WriteWatch()
    assert {watch.judge(at_ms, is_failing=at_ms % 2 == 0) for at_ms in range(20)} == {None}


# What must not lead to two messages, or to none


async def test_two_troubles_are_told_apart(duty: Duty):
    await duty.delivery.queue(*duty.delivery.make_events(1))
    duty.disk = FULL
    assert sorted(text.partition(":")[0] for text in await duty.look(HOUR_S + 1)) == [
        "tag-gateway",
        "tag-gateway, store acme",
    ]


async def test_a_trouble_that_comes_back_at_once_is_the_same_one(duty: Duty):
    duty.disk = FULL
    assert len(await duty.look()) == 1
    duty.disk = ROOMY
    assert await duty.look(120) == []
    duty.disk = FULL
    assert await duty.look(60) == []
    duty.disk = ROOMY
    assert await duty.look(OVER_S - 2) == []
    assert len(await duty.look(2)) == 1


async def test_of_several_processes_one_tells(duty: Duty):
    duty.disk = FULL
    watches = [duty.build() for _ in range(4)]
    await asyncio.gather(*(watch.look() for watch in watches))
    assert len(duty.receiver.texts) == 1
    duty.disk = ROOMY
    duty.delivery.clock.turn(OVER_S)
    await asyncio.gather(*(watch.look() for watch in watches))
    assert len(duty.receiver.texts) == 2


async def test_of_several_processes_one_tells_each_trouble_however_slow_the_chat_is(duty: Duty):
    """All of it takes longer to tell than a claim holds, and others look meanwhile."""
    rig = duty.delivery
    await rig.queue(*rig.make_events(1))
    await hear_for_days(duty)
    duty.disk = FULL
    post = duty.watch._post

    async def post_slowly(sentence: str) -> str:
        rig.clock.turn(20)
        await duty.build().look()
        return await post(sentence)

    duty.watch._post = post_slowly
    assert len(await duty.look()) == 3
    assert len(set(duty.receiver.texts)) == 3


async def test_a_restarted_process_knows_what_was_told(duty: Duty):
    duty.disk = FULL
    assert len(await duty.look()) == 1
    duty.watch = duty.build()
    assert await duty.look(10 * 60) == []
    duty.disk = ROOMY
    [over] = await duty.look(OVER_S)
    assert "resolved" in over


async def test_a_message_that_was_not_taken_is_sent_again(duty: Duty, caplog: pytest.LogCaptureFixture):
    for status in (500, 302, 404):
        duty.receiver.status = status
        duty.disk = FULL
        assert await duty.look(CLAIM_MS / 1000) == []
        assert f"(HTTP {status})" in caplog.text
    duty.receiver.status = 200
    assert await duty.look(CLAIM_MS / 1000 - 1) == []
    assert len(await duty.look(1)) == 1
    duty.receiver.status = 503
    duty.disk = ROOMY
    assert await duty.look(OVER_S) == []
    duty.receiver.status = 200
    [over] = await duty.look(CLAIM_MS / 1000)
    assert "resolved" in over
    assert "a-secret" not in caplog.text


async def test_a_trouble_that_nobody_could_be_told_of_ends_in_silence(duty: Duty):
    duty.receiver.status, duty.disk = 500, FULL
    await duty.look()
    duty.receiver.status, duty.disk = 200, ROOMY
    assert await duty.look(OVER_S) == []
    assert await duty.delivery.store.read(find_troubles) == []


async def test_a_webhook_that_cannot_be_reached_harms_nothing(duty: Duty, caplog: pytest.LogCaptureFixture):
    duty.watch._url = "http://127.0.0.1:9/hooks/a-secret"
    duty.disk = FULL
    assert await duty.look() == []
    assert "(ConnectError)" in caplog.text
    assert "a-secret" not in caplog.text
    assert await duty.delivery.store.read(find_troubles) == [("", "disk")]


async def test_without_a_webhook_the_log_has_it_once(duty: Duty, caplog: pytest.LogCaptureFixture):
    duty.watch._url = ""
    duty.disk = FULL
    for _ in range(3):
        assert await duty.look(60) == []
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        to_sentence(News(("", Cause.DISK), is_over=False))
    ]


async def test_a_process_that_does_not_deliver_watches_the_rest(duty: Duty):
    duty.watch._deliverer = None
    duty.disk = FULL
    assert len(await duty.look()) == 1


async def test_the_watch_goes_on_after_any_trouble_of_its_own(duty: Duty, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alerts, "LOOK_S", 0.001)
    steps = iter([OSError("the folder is gone"), None])
    looked = asyncio.Event()

    def measure(_folder: Path) -> tuple[int, int]:
        if fault := next(steps, None):
            raise fault
        looked.set()
        return ROOMY

    duty.watch._measure = measure
    running = asyncio.create_task(duty.watch.run())
    async with asyncio.timeout(60):
        await looked.wait()
    running.cancel()
    await asyncio.wait([running])


# What is judged


@pytest.mark.parametrize(
    ("total", "free", "is_full"),
    [
        (10**11, 5 * 10**9, False),
        (10**11, 5 * 10**9 - 1, True),
        (10**10, 10**9, False),
        (10**10, 10**9 - 1, True),
        (10**9, 10**9, False),
    ],
)
def test_a_disk_is_nearly_full_under_five_percent_or_a_gigabyte(total: int, free: int, is_full: bool):
    assert is_nearly_full(total, free) is is_full


@pytest.mark.parametrize(
    ("days", "silent"),
    [
        ({1, 2, 3, 4, 5}, True),
        ({1, 2, 3, 4, 5, 6, 7}, True),
        ({3, 4, 5, 6, 7}, True),
        ({1, 2, 3, 4}, None),
        ({0, 1, 2, 3, 4, 5}, False),
        ({0}, False),
        (set(), None),
    ],
)
def test_a_day_without_webhooks_means_something_where_most_days_have_some(days: set[int], silent: bool | None):
    assert is_silent(days) is silent


def fates(accepted: int, rejected: int) -> Counter[Fate]:
    return Counter({Fate.ACCEPTED: accepted, Fate.REJECTED: rejected})


@pytest.mark.parametrize(
    ("accepted", "rejected", "is_high"),
    [(5, 4, False), (0, 5, True), (494, 5, True), (495, 5, False), (990, 10, False), (4, 0, None), (0, 4, None)],
)
def test_rejects_count_from_five_on_and_over_one_percent(accepted: int, rejected: int, is_high: bool | None):
    watch = RejectWatch(0)
    assert watch.is_high(fates(accepted, rejected), HOUR_MS - 1) is (is_high or None)  # it has not watched for long
    assert watch.is_high(fates(accepted, rejected), HOUR_MS) is is_high


def test_rejects_of_an_hour_ago_count_no_more():
    watch = RejectWatch(0)
    assert watch.is_high(fates(9, 5), 60_000)
    assert watch.is_high(fates(9, 5), HOUR_MS)
    assert watch.is_high(fates(13, 5), HOUR_MS + 60_001) is None
    assert watch.is_high(fates(14, 5), HOUR_MS + 60_001) is False
    assert watch.is_high(fates(14, 9), HOUR_MS + 120_000) is False
    assert watch.is_high(fates(14, 10), HOUR_MS + 120_000)
    assert watch.is_high(fates(18, 10), 3 * HOUR_MS) is None
    assert watch.is_high(fates(19, 10), 3 * HOUR_MS) is False


@pytest.mark.parametrize(("ahead_ms", "is_wrong"), [(None, None), (300_000, False), (300_001, True), (-300_001, True)])
def test_a_clock_that_no_answer_has_told_of_is_neither_right_nor_wrong(ahead_ms: int | None, is_wrong: bool | None):
    assert is_off(ahead_ms) is is_wrong


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("is_over", [False, True])
def test_every_cause_has_its_sentences(cause: Cause, is_over: bool):
    told = f"{cause} {PIXEL}" if cause is Cause.CREDENTIALS else str(cause)
    sentence = to_sentence(News((STORE, told), is_over))
    assert sentence.startswith("tag-gateway, store acme: ")
    assert ("resolved" in sentence) is is_over
    assert "{" not in sentence


def test_only_sqlite_has_a_disk_to_look_at(tmp_path: Path):
    assert make_settings(tmp_path).storage.file.parent == tmp_path
    elsewhere = make_settings(tmp_path, storage={"url": "postgresql://user:secret@db/gateway"})
    assert elsewhere.storage.file is None


async def test_the_database_holds_no_more_than_the_cause(duty: Duty):
    duty.disk = FULL
    await duty.look()
    store: Store = duty.delivery.store
    rows = await store.read(lambda connection: connection.exec_driver_sql("SELECT * FROM alerts").all())
    assert [row[:2] for row in rows] == [("", "disk")]
