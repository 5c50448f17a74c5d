"""GET /metrics: who may see it, and what it says after which requests."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from gateway.clock import now_ms
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok
from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.store.backlog import MOST_COUNTED, count_pending, find_oldest_ms
from gateway.web import health, metrics
from tests.beacons import REFUSAL, Browser, make_beacon, make_event
from tests.servers import Gateway, make_settings, running_gateway, running_process
from tests.signals.scrapes import grown, scrape, value
from tests.store.conftest import migrated  # noqa: F401 - a fixture
from tests.webhooks import Shop

TOKEN = "a-token-of-metrics"


async def ask(gateway: Gateway, **headers: str | None) -> int:
    """The status of a scrape with these headers, from this machine unless they say otherwise."""
    sent = {"x-forwarded-for": None} | {name.replace("_", "-"): text for name, text in headers.items()}
    return (await gateway.request("GET", "/metrics", headers=sent)).status_code


@pytest.mark.parametrize("host", ["t.acme.com", "10.0.0.7:8080", "evil.example", ""])
async def test_this_machine_sees_the_numbers_on_any_host(gateway: Gateway, host: str):
    response = await gateway.request("GET", "/metrics", headers={"x-forwarded-for": None, "host": host})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert b"tag_gateway_pending_events" in response.content


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "203.0.113.7"},
        {"x_forwarded_for": "127.0.0.1"},
        {"x_forwarded_for": "203.0.113.7, 127.0.0.1"},
        {"x_forwarded_for": ""},
        {"forwarded": "for=127.0.0.1"},
        {"x_real_ip": "127.0.0.1"},
        {"via": "1.1 proxy"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN}"},
    ],
)
async def test_what_came_through_a_proxy_sees_nothing_without_a_token(gateway: Gateway, headers: dict[str, str]):
    assert await ask(gateway, **{"x_forwarded_for": "203.0.113.7", **headers}) == 404


async def test_whoever_has_the_token_sees_the_numbers_from_anywhere(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, security={"metrics_token": TOKEN})) as gateway:
        abroad = {"x_forwarded_for": "203.0.113.7"}
        assert await ask(gateway, **abroad, authorization=f"Bearer {TOKEN}") == 200
        assert await ask(gateway, **abroad, authorization=f"bearer {TOKEN}") == 200
        for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer", ""):
            assert await ask(gateway, **abroad, authorization=wrong) == 404, wrong
        assert await ask(gateway, **abroad) == 404
        assert await ask(gateway) == 200


async def test_nothing_can_be_posted_there(gateway: Gateway):
    assert (await gateway.request("POST", "/metrics", headers={"x-forwarded-for": None})).status_code == 405


async def test_each_beacon_is_counted_once_as_what_became_of_it(gateway: Gateway, browser: Browser):
    before = await scrape(gateway)
    await browser.beacon()
    await browser.beacon(consent=REFUSAL)
    await gateway.beacon(make_beacon(), headers={"user-agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"})
    await gateway.beacon(make_beacon(), headers={"origin": "https://evil.example"})
    await gateway.beacon(b"{")
    await gateway.beacon(b"x" * 70_000)
    await gateway.px(make_beacon())
    await gateway.px(b"[]")
    told = {
        name: more
        for name, more in grown(before, await scrape(gateway)).items()
        if name.startswith(("accepted", "dropped", "refused", "request_seconds"))
    }
    assert told == {
        "accepted_total{beacon,acme}": 1,
        "accepted_total{px,acme}": 1,
        "dropped_total{beacon,consent,acme}": 1,
        "dropped_total{beacon,bot,acme}": 1,
        "refused_total{beacon,403,acme}": 1,
        "refused_total{beacon,400,acme}": 1,
        "refused_total{beacon,413,acme}": 1,
        "refused_total{px,400,acme}": 1,
        "request_seconds_count{beacon}": 6,
        "request_seconds_count{px}": 2,
    }


async def test_what_is_no_beacon_is_not_counted(gateway: Gateway):
    before = await scrape(gateway)
    for path in ("/a7/q", "/a7/q/px"):
        await gateway.request("OPTIONS", path, headers={"origin": "https://www.acme.com"})
        await gateway.request("GET", path)
    assert grown(before, await scrape(gateway)) == {}


async def test_a_landing_is_counted_as_what_became_of_it(gateway: Gateway, browser: Browser, monkeypatch):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("full")

    before = await scrape(gateway)
    await browser.beacon()
    await browser.go("to=/x&ttclid=E.C.P.the-click")
    await gateway.go("to=/x&ttclid=E.C.P.the-click")
    monkeypatch.setattr(Store, "record", refuse)
    await gateway.go("to=/x")
    told = grown(before, await scrape(gateway))
    assert told["accepted_total{go,acme}"] == 1
    assert told["dropped_total{go,consent,acme}"] == 1
    assert told["refused_total{go,503,acme}"] == 1


async def test_what_cannot_be_stored_is_counted_as_refused(gateway: Gateway, monkeypatch):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("full")

    before = await scrape(gateway)
    monkeypatch.setattr(Store, "record", refuse)
    await gateway.beacon(make_beacon())
    assert grown(before, await scrape(gateway))["refused_total{beacon,503,acme}"] == 1


async def test_a_defect_of_ours_is_counted(gateway: Gateway, monkeypatch):
    async def fail(*_: object) -> None:
        raise KeyError("a defect")

    before = await scrape(gateway)
    monkeypatch.setattr(Store, "record", fail)
    assert (await gateway.beacon(make_beacon())).status_code == 500
    monkeypatch.setattr(Store, "check", fail)
    monkeypatch.setattr(health, "SHARED_S", 0.0)
    assert (await gateway.request("GET", "/readyz")).status_code == 500
    assert grown(before, await scrape(gateway)) == {"failures_total": 2}


async def test_names_from_outside_make_no_series(gateway: Gateway, browser: Browser):
    before = await scrape(gateway)
    for number in range(5):
        await browser.beacon(make_event(f"Custom{number}"))
        await gateway.request(f"X{number}", "/a7/q")
        await gateway.request("GET", f"/nothing-{number}")
    after = await scrape(gateway)
    assert {name for name in after if name not in before} <= {("tag_gateway_accepted_total", (("endpoint", "beacon"),))}


async def test_webhooks_and_deliveries_are_counted_by_how_they_ended(shop: Shop):
    before = await scrape(shop.gateway)
    await shop.browser().beacon(make_event())
    await shop.deliver()
    await shop.gateway.request("POST", "/webhooks/shopify", content=b"{}")
    told = grown(before, await scrape(shop.gateway))
    assert told["refused_total{webhook,401,acme}"] == 1
    assert told["settled_events_total{accepted,acme}"] == 1
    assert told["tiktok_requests_total{acme,accepted}"] == 1
    assert told["tiktok_request_seconds_count{acme}"] == 1
    assert told["delivery_delay_seconds_count{acme}"] == 1
    assert told["commit_jobs_count"] >= 2
    assert told["commit_seconds_count"] == told["commit_jobs_count"]


async def test_a_process_that_only_delivers_tells_its_numbers_and_its_health_where_it_is_bidden(tmp_path: Path):
    said = {"pixels": [{"code": DEMO_PIXEL, "access_token": DEMO_TOKEN}], "consent": "granted"}
    async with running_gateway(make_settings(tmp_path, **said)) as gateway:
        await gateway.beacon(make_beacon())
    tiktok = FakeTikTok()
    async with tiktok.serve() as url:
        said |= {"delivery": {"api_base": url}, "security": {"metrics_token": TOKEN}}
        async with running_process(tmp_path, "--port", "0", command="deliver", **said) as gateway:
            await gateway.drained()
            samples = await scrape(gateway)
            assert value(samples, "settled_events_total", store="acme", fate="accepted") == 1
            assert value(samples, "delivery_delay_seconds_count", store="acme") == 1
            assert value(samples, "pending_events", store="acme", pixel=DEMO_PIXEL) == 0
            assert (await ask(gateway, x_forwarded_for="203.0.113.7")) == 404
            assert (await ask(gateway, x_forwarded_for="203.0.113.7", authorization=f"Bearer {TOKEN}")) == 200
            assert (await gateway.request("GET", "/healthz")).text == "ok\n"
            assert (await gateway.request("GET", "/readyz")).json()["ready"]
            for path in ("/go?to=/x", "/a7/w.js", "/control", "/admin/"):
                assert (await gateway.request("GET", path)).status_code == 404, path
            assert (await gateway.beacon(make_beacon())).status_code == 404
            assert gateway.process
            gateway.process.send_signal(signal.SIGTERM)
            assert await gateway.process.wait() == 0
            assert any("delivering for 1 stores" in line for line in gateway.log)


async def test_what_waits_is_read_at_the_scrape(gateway: Gateway, browser: Browser, monkeypatch: pytest.MonkeyPatch):
    pixel = {"store": "acme", "pixel": gateway.settings.stores[0].pixels[0].code}
    idle = await scrape(gateway)
    assert (value(idle, "pending_events", **pixel), value(idle, "oldest_pending_seconds", store="acme")) == (0, 0)
    await browser.beacon(make_event(), make_event())
    monkeypatch.setattr(metrics, "now_ms", lambda: now_ms() + 3_600_000)
    busy = await scrape(gateway)
    assert value(busy, "pending_events", **pixel) == 2
    assert 3600 <= value(busy, "oldest_pending_seconds", store="acme") < 4000


async def test_the_counts_are_shown_while_the_database_is_away(gateway: Gateway, monkeypatch):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(Store, "read", refuse)
    samples = await scrape(gateway)
    assert value(samples, "accepted_total", store="acme", endpoint="beacon") is not None
    assert not any(name == "tag_gateway_pending_events" for name, _ in samples)


async def test_a_great_backlog_is_counted_up_to_a_bound_and_its_age_is_exact(
    migrated: Path,  # noqa: F811 - the fixture
    tmp_path: Path,
):
    path = shutil.copy(migrated, tmp_path / "gateway.db")
    more = MOST_COUNTED + 5
    with sqlite3.connect(path) as connection:
        ids = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        connection.execute(
            f"""INSERT INTO outbox (store_id, id, pixel_code, due_ms, attempts)
            {ids} SELECT 'acme', printf('%032d', i), 'C0ABCDEFGHIJKLMNOPQR', i, 0 FROM n""",
            (more,),
        )
        connection.execute(
            """INSERT INTO events (store_id, id, pixel_code, event, event_id, source,
                occurred_ms, received_ms, expires_ms, duplicates, body)
            VALUES ('acme', printf('%032d', 1), 'C', 'E', 'e', 'beacon', 7, 7, 9, 0, '')"""
        )
    connection.close()
    store = Store(f"sqlite:///{path}")
    started_s = time.perf_counter()
    counted = await store.read(lambda connection: count_pending(connection, "acme", "C0ABCDEFGHIJKLMNOPQR"))
    took_s = time.perf_counter() - started_s
    assert counted == MOST_COUNTED
    assert took_s < 1  # 2 ms here; a machine under load must not fail
    assert await store.read(lambda connection: find_oldest_ms(connection, "acme")) == 7
    assert await store.read(lambda connection: find_oldest_ms(connection, "other")) is None
    assert (await metrics.read_standing(store, [("acme", "C0ABCDEFGHIJKLMNOPQR")])).oldest_ms == {"acme": 7}
    gone = await metrics.read_standing(store, [("acme", "the others are configured no more")])
    assert (list(gone.pending.values()), gone.oldest_ms) == ([0], {"acme": None})
    await store.stop()
