"""Open troubles are shared by all processes, and how things stand is read cheaply."""

from __future__ import annotations

import asyncio
from functools import partial

from gateway.store import Store
from gateway.store.alerts import (
    CLAIM_MS,
    DAY_MS,
    OVER_AFTER_MS,
    News,
    Trouble,
    Verdicts,
    claim_news,
    find_troubles,
    find_webhook_days,
    note_told,
    note_verdicts,
)
from gateway.store.backlog import count_pending, find_oldest_ms
from gateway.store.receipt import WebhookNote
from tests.store.samples import LANE, NOW_MS, STORE, make_event, make_receipt, make_sighting

DISK: Trouble = ("", "disk")
TOKEN: Trouble = (STORE, "credentials C0ABCDEFGHIJKLMNOPQR")


async def judge(store: Store, now_ms: int, verdicts: Verdicts) -> list[News]:
    """What a process with these verdicts has to tell, all of it claimed."""
    found = await store.run(lambda cursor: note_verdicts(cursor, verdicts, now_ms))
    return [news for news in found if await store.run(partial(claim_news, news=news, now_ms=now_ms))]


async def take(store: Store, now_ms: int, *seen: Trouble) -> list[News]:
    """The same of a process that sees these and knows the others to be well."""
    return await judge(store, now_ms, dict.fromkeys((DISK, TOKEN), False) | dict.fromkeys(seen, True))


async def tell(store: Store, news: News, now_ms: int) -> None:
    await store.run(lambda cursor: note_told(cursor, news, now_ms))


async def test_a_trouble_is_told_and_its_end_is_told(store: Store):
    begun, over = News(DISK, is_over=False), News(DISK, is_over=True)
    assert await take(store, NOW_MS, DISK) == [begun]
    await tell(store, begun, NOW_MS)
    assert await take(store, NOW_MS + 1, DISK) == []
    assert await take(store, NOW_MS + 1 + OVER_AFTER_MS) == []
    assert await take(store, NOW_MS + 2 + OVER_AFTER_MS) == [over]
    assert await store.read(find_troubles) == [DISK]
    await tell(store, over, NOW_MS + 2 + OVER_AFTER_MS)
    assert await store.read(find_troubles) == []


async def test_what_one_took_another_may_take_only_when_it_was_not_told_in_time(store: Store):
    assert len(await take(store, NOW_MS, DISK)) == 1
    assert await take(store, NOW_MS + CLAIM_MS - 1, DISK) == []
    assert len(await take(store, NOW_MS + CLAIM_MS, DISK)) == 1


async def test_what_is_taken_at_the_same_time_is_taken_once(store: Store):
    taken = await asyncio.gather(*(take(store, NOW_MS, DISK, TOKEN) for _ in range(5)))
    assert sorted(news.trouble for some in taken for news in some) == [DISK, TOKEN]


async def test_what_ended_before_anybody_was_told_is_forgotten(store: Store):
    await take(store, NOW_MS, DISK)
    assert await take(store, NOW_MS + OVER_AFTER_MS + 1) == []
    assert await store.read(find_troubles) == []


async def test_only_who_knows_that_a_trouble_is_over_tells_so(store: Store):
    """A process that does not deliver sees no trouble with TikTok, and cannot say that there is none."""
    await tell(store, (await take(store, NOW_MS, TOKEN))[0], NOW_MS)
    for days in (1, 10, 100):
        assert await judge(store, NOW_MS + days * DAY_MS, {DISK: False, TOKEN: None}) == []
    assert await store.read(find_troubles) == [TOKEN]
    assert await take(store, NOW_MS + 101 * DAY_MS) == [News(TOKEN, is_over=True)]


async def test_a_trouble_of_what_is_configured_no_more_is_forgotten_in_silence(store: Store):
    await tell(store, (await take(store, NOW_MS, TOKEN))[0], NOW_MS)
    assert await judge(store, NOW_MS + OVER_AFTER_MS, {DISK: False}) == []
    assert await store.read(find_troubles) == [TOKEN]  # another process may know of it, and see it
    assert await judge(store, NOW_MS + OVER_AFTER_MS + 1, {DISK: False}) == []
    assert await store.read(find_troubles) == []


async def test_news_that_somebody_has_told_meanwhile_is_claimed_by_nobody(store: Store):
    """Each piece is claimed when its turn comes, however long the one before has taken."""
    slow, quick = [await store.run(lambda cursor: note_verdicts(cursor, {DISK: True}, NOW_MS)) for _ in range(2)]
    assert slow == quick == [News(DISK, is_over=False)]
    assert await store.run(lambda cursor: claim_news(cursor, quick[0], NOW_MS))
    assert not await store.run(lambda cursor: claim_news(cursor, slow[0], NOW_MS + 10_000))
    await tell(store, quick[0], NOW_MS)
    assert not await store.run(lambda cursor: claim_news(cursor, slow[0], NOW_MS + CLAIM_MS))


async def test_troubles_are_apart(store: Store):
    await tell(store, (await take(store, NOW_MS, DISK))[0], NOW_MS)
    assert await take(store, NOW_MS, DISK, TOKEN) == [News(TOKEN, is_over=False)]
    assert await store.read(find_troubles) == [DISK, TOKEN]


async def test_days_with_webhooks_are_counted_back_from_now(store: Store):
    async def hear(at_ms: int) -> None:
        note = WebhookNote(f"w-{at_ms}", "orders/paid")
        await store.record(make_receipt(sighting=make_sighting(at_ms), is_browserless=True, webhook=note))

    for at_ms in (NOW_MS - DAY_MS, NOW_MS - 3 * DAY_MS + 1, NOW_MS - 9 * DAY_MS):
        await hear(at_ms)
    assert await store.read(lambda connection: find_webhook_days(connection, STORE, NOW_MS)) == {1, 2}
    await hear(NOW_MS)
    assert await store.read(lambda connection: find_webhook_days(connection, STORE, NOW_MS)) == {0, 1, 2}
    assert await store.read(lambda connection: find_webhook_days(connection, "other", NOW_MS)) == set()


async def test_what_waits_is_counted_and_has_an_age(store: Store):
    for at_ms in (NOW_MS, NOW_MS + 1_000):
        await store.record(make_receipt(make_event(received_ms=at_ms)))
    assert await store.read(lambda connection: count_pending(connection, *LANE)) == 2
    assert await store.read(lambda connection: find_oldest_ms(connection, STORE)) == NOW_MS
    assert await store.read(lambda connection: count_pending(connection, STORE, "another pixel")) == 0
    assert await store.read(lambda connection: find_oldest_ms(connection, "other")) is None
