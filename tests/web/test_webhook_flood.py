"""A flood of webhooks: every good one is stored once and answered in time, every bad one refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bench.processes import read_family_cpu_s
from bench.webhooks import PATIENCE_S, SECRET, build_flood, fire
from tests.servers import HOST, running_process
from tests.webhooks import DOMAIN


async def test_two_thousand_webhooks_at_once_are_all_answered_rightly_in_five_seconds_of_a_core(tmp_path: Path):
    flood = build_flood(2000)
    assert Counter(told.status for told in flood) == {200: 1600, 401: 200, 400: 200}
    shopify = {"shop": DOMAIN, "webhook_secrets": [SECRET]}
    async with running_process(tmp_path, "--no-deliver", consent="granted", shopify=shopify) as gateway:
        assert gateway.process
        before_s = read_family_cpu_s(gateway.process.pid)
        answered = await fire(int(gateway.base_url.rpartition(":")[2]), flood, HOST, DOMAIN)
        assert [one for one in answered if one.status != one.told.status] == []
        assert len(answered) == 2000
        assert read_family_cpu_s(gateway.process.pid) - before_s < PATIENCE_S
        good = Counter(str(told.order_id) for told in flood if told.order_id is not None)
        assert {row["id"] for row in gateway.rows("SELECT id FROM orders WHERE reason IS NULL")} == good.keys()
        events = gateway.rows("SELECT event_id, duplicates FROM events")
        assert {event["event_id"] for event in events} == {f"purchase_{order_id}" for order_id in good}
        heard = {told.webhook_id for told in flood if told.status == 200}
        assert {row["id"] for row in gateway.rows("SELECT id FROM webhooks")} == heard
        assert sum(event["duplicates"] for event in events) == len(heard) - len(good)
        assert len(gateway.outbox) == len(gateway.visitors) == len(good) == 1400
