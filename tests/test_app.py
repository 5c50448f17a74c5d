"""The whole gateway: what it wires together works together, starts in one piece and stops without loss."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import gateway.app
import gateway.beside
from gateway.app import KEEP_ALIVE_S, MOST_FILES, build_server
from gateway.cli import main
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok, Mood
from gateway.errors import StoreLocked
from gateway.web import health
from tests.beacons import PAGE, Browser, make_beacon, make_event
from tests.postgres import Server, running_postgres
from tests.servers import CLIENT_IP, USER_AGENT, make_settings, running_gateway, running_process, write_config

CLICK = "E.C.P.the-click"
LANDED = {**PAGE, "url": f"https://www.acme.com/products/tee?ttclid={CLICK}"}


async def test_a_click_a_view_and_a_purchase_reach_tiktok(tmp_path: Path):
    tiktok = FakeTikTok()
    pixels = [{"code": DEMO_PIXEL, "access_token": DEMO_TOKEN}]
    async with tiktok.serve() as url:
        settings = make_settings(tmp_path, pixels=pixels, delivery={"api_base": url})
        async with running_gateway(settings, deliver=True) as gateway:
            browser = Browser(gateway)
            await browser.beacon(make_event(event_id="view-1"), page=LANDED, ids={"ttp": "2theirTTP"})
            await browser.beacon(make_event("Purchase", event_id="purchase_1"), user={"email": "ada@example.com"})
            await tiktok.until(lambda: len(tiktok.events) == 2)
            await gateway.drained()
            assert {event["fate"] for event in gateway.events} == {"accepted"}
    sent = {event["event_id"]: event for event in tiktok.events}
    for event in sent.values():
        user = event["user"]
        assert (user["ttclid"], user["ttp"], user["ip"], user["user_agent"]) == (
            CLICK,
            "2theirTTP",
            CLIENT_IP,
            USER_AGENT,
        )
    assert sent["view-1"]["page"]["url"] == LANDED["url"]
    assert sent["view-1"]["properties"]["value"] == 20
    assert "email" in sent["purchase_1"]["user"]


async def test_what_is_not_delivered_here_stays_queued(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path), deliver=False) as gateway:
        await gateway.beacon(make_beacon())
    assert len(gateway.outbox) == 1


async def test_what_waited_in_one_process_is_delivered_by_the_next(tmp_path: Path):
    pixels = [{"code": DEMO_PIXEL, "access_token": DEMO_TOKEN}]
    async with running_gateway(make_settings(tmp_path, pixels=pixels)) as gateway:
        await gateway.beacon(make_beacon(make_event(event_id="view-1")))
    tiktok = FakeTikTok()
    async with tiktok.serve() as url:
        settings = make_settings(tmp_path, pixels=pixels, delivery={"api_base": url})
        async with running_gateway(settings, deliver=True):
            await tiktok.until(lambda: tiktok.events)
    assert tiktok.events[0]["event_id"] == "view-1"


async def test_a_database_has_one_gateway_at_a_time(tmp_path: Path):
    settings = make_settings(tmp_path)
    async with running_gateway(settings):
        with pytest.raises(StoreLocked):
            build_server(settings)
    async with running_gateway(settings) as gateway:
        assert (await gateway.beacon(make_beacon())).status_code == 204


async def test_a_person_is_erased_beside_a_gateway_on_postgresql(tmp_path: Path, postgres: Server):
    storage = {"url": postgres.make_database("erased_beside")}
    settings = make_settings(tmp_path, storage=storage, consent="granted")
    async with running_gateway(settings) as gateway:
        await gateway.beacon(make_beacon(user={"email": "ada@example.com"}))
        config = write_config(tmp_path, storage=storage, consent="granted")
        command = ["erase", "--config", str(config), "--email", "ada@example.com"]
        assert await asyncio.to_thread(main, command) == 0
        assert (await gateway.beacon(make_beacon())).status_code == 204
    with psycopg.connect(storage["url"]) as connection:
        assert connection.execute("SELECT email FROM visitors").fetchall() == [(None,)]


async def test_readyz_tells_that_postgresql_is_away_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "SHARED_S", 0.0)
    with running_postgres() as server:
        settings = make_settings(tmp_path, storage={"url": server.make_database("away")}, consent="granted")
        async with running_gateway(settings) as gateway:
            assert (await gateway.request("GET", "/readyz")).status_code == 200
            server.stop()
            answer = await gateway.request("GET", "/readyz")
            assert answer.status_code == 503
            assert answer.json()["reason"] == "PostgreSQL cannot be reached: Connection refused"
            refused = await gateway.beacon(make_beacon())
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
            server.start()
            assert (await gateway.request("GET", "/readyz")).status_code == 200
            assert (await gateway.beacon(make_beacon())).status_code == 204


async def test_a_process_told_to_stop_ends_in_order_with_everything_on_disk(tmp_path: Path):
    async with running_process(tmp_path, "--no-deliver") as gateway:
        assert gateway.process
        answers = await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(20)))
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.process.wait() in (0, -signal.SIGTERM)
        assert {answer.status_code for answer in answers} == {204}
        assert len(gateway.events) == 20


async def test_a_process_told_to_stop_ends_in_time_while_tiktok_and_commits_hang(tmp_path: Path):
    """As they do when a synchronous standby is gone."""
    tiktok = FakeTikTok()
    tiktok.moods.add(Mood(hang=True, times=None))
    pixels = [{"code": DEMO_PIXEL, "access_token": DEMO_TOKEN}]
    async with tiktok.serve() as api_base:
        with running_postgres() as server:
            storage, delivery = {"url": server.make_database("hanging")}, {"api_base": api_base}
            said = {"storage": storage, "delivery": delivery, "pixels": pixels, "consent": "granted"}
            async with running_process(tmp_path, **said) as gateway:
                assert gateway.process
                assert (await gateway.beacon(make_beacon())).status_code == 204
                await tiktok.until(lambda: tiktok.requests)
                server.run("ALTER SYSTEM SET synchronous_standby_names = 'gone'", "SELECT pg_reload_conf()")
                asking = asyncio.create_task(gateway.beacon(make_beacon()))
                await hang(storage["url"])
                gateway.process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(10):
                        assert await gateway.process.wait() == 0
                finally:
                    if gateway.process.returncode is None:
                        gateway.process.kill()  # it would hang for ever, and the test with it
                [answer] = await asyncio.gather(asking, return_exceptions=True)
                assert getattr(answer, "status_code", None) != 204
                assert "Traceback" not in "".join(gateway.log)


async def hang(url: str) -> None:
    """A commit waits for the standby."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with psycopg.connect(url, autocommit=True) as connection:
        async with asyncio.timeout(60):
            while connection.execute(query).fetchone() == (0,):  # noqa: ASYNC110 - a database tells nobody what waits
                await asyncio.sleep(0.01)


async def test_nothing_about_a_visitor_is_logged(tmp_path: Path):
    secrets = {"user": {"email": "ada@example.com", "phone": "+493012345678"}, "ids": {"cart": "cart-7"}}
    async with running_process(tmp_path) as gateway:
        browser = Browser(gateway)
        await browser.beacon(page=LANDED, **secrets)
        await browser.go(f"to=/x&ttclid={CLICK}2")
        await gateway.beacon(b'{"v":1,"user":"ada@example.com"}')
        await gateway.px(make_beacon(page=LANDED, **secrets))
        assert gateway.process
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.process.wait()
    log = "".join(gateway.log)
    assert log
    for private in ("ada@", "3012345678", "cart-7", CLICK, CLIENT_IP, browser.visitor_id, "token-of-a-test"):
        assert private not in log


async def test_connections_outlast_a_proxys_idle_time(tmp_path: Path):
    """The Caddyfile and most load balancers keep an idle connection for a minute; ours must not close it first."""
    assert build_server(make_settings(tmp_path)).config.timeout_keep_alive == KEEP_ALIVE_S > 60


async def test_answers_do_not_tell_what_software_sends_them(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path)) as gateway:
        for path in ("/healthz", "/nothing", "/go"):
            assert "server" not in (await gateway.request("GET", path)).headers


async def test_more_connections_may_be_open_than_a_shell_allows(tmp_path: Path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
    try:
        async with running_gateway(make_settings(tmp_path)):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(MOST_FILES, limits[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_start_waits_for_nothing_that_can_be_loaded_meanwhile():
    """Each of these takes a while to load, and some megabytes; without a dashboard nobody needs jinja2."""
    late = {"alembic", "jinja2", "phonenumbers", "psycopg", "pygal", "sqlalchemy.dialects.postgresql", "ua_parser"}
    late |= {"gateway.beside", "gateway.delivery.worker", "gateway.ops.desk", "httpx"}
    code = f"import sys, gateway.cli, gateway.app; print(*{late} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


def test_what_is_for_terminals_alone_is_not_loaded_by_a_server_but_found_by_whoever_needs_it():
    """An upgrade shows its progress with rich, and may follow in the same process."""
    code = """
import gc, sys
from gateway.loading import loading
with loading():
    import gateway.app
print(*{"rich", "httpx._main"} & sys.modules.keys(), gc.isenabled(), gc.get_freeze_count() > 0)
import gateway.ops.progress, httpx._main"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["True", "True"]


def test_what_some_requests_need_is_loaded_before_most_come():
    """Beacons would have to wait for it."""
    needed = {"phonenumbers", "ua_parser_builtins.lazy"}
    code = f"import asyncio, sys, gateway.beside as b; asyncio.run(b.warm_up()); print(*{needed} - sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


async def test_a_process_that_cannot_deliver_stops_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """It would look healthy, and take in what nobody sends."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    monkeypatch.setattr(gateway.app, "BESIDE_AFTER_S", 0)
    monkeypatch.setattr(gateway.beside, "TikTokClient", None)
    try:
        async with running_gateway(make_settings(tmp_path), deliver=True):
            await asyncio.wait_for(told.wait(), 10)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    assert "cannot be done: stopping" in caplog.text
    assert "'NoneType' object is not callable" in caplog.text
