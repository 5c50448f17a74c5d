"""One thing is broken at a time: the doctor says which in one sentence with its mend, and its exit code tells."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.clock import now_ms
from gateway.ops.doctor import Network, Status, examine
from tests.beacons import make_beacon, make_event
from tests.ops.doctor.clinic import (
    ANSWERS_ITSELF,
    BELIEVES_VISITORS,
    CHANGES_SCRIPT,
    HANGS_UP,
    OTHER_NAME,
    TELLS_NO_IP,
    Abroad,
    Clinic,
    Front,
    open_abroad,
    open_clinic,
    open_front,
)
from tests.ops.stand import SHOP, place, visit
from tests.servers import HOST, PIXEL

pytestmark = pytest.mark.asyncio(loop_scope="module")
PIXEL_SETTINGS = {"code": PIXEL, "access_token": "token-of-a-test"}
WITH_CODE = ("--code", "TEST123")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    async with open_front(tmp_path_factory.mktemp("caddy")) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def abroad() -> AsyncIterator[Abroad]:
    async with open_abroad() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def clinic(
    tmp_path: Path, front: Front, abroad: Abroad, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Clinic]:
    async with open_clinic(tmp_path, front, abroad, capsys, monkeypatch) as opened:
        yield opened


async def test_a_sound_installation_has_no_fault_and_keeps_no_trace(clinic: Clinic):
    async with clinic.serving() as gateway:
        code, found = await clinic.examine(*WITH_CODE)
        assert code == 0
        assert {name for name, finding in found.items() if finding.status is Status.OK} == {
            "gateway", "database", "disk", "clock", "dns", "certificate", "script", "cookies", "client address",
            "webhooks", "tiktok", "shopify", "queue", "purchases",
        }  # fmt: skip
        assert {name for name, finding in found.items() if finding.status is Status.WARN} == {
            "cookie life", "shopify deliveries",
        }  # fmt: skip
        assert gateway.visitors == gateway.events == gateway.rows("SELECT * FROM links") == []
        assert gateway.rows("SELECT * FROM webhooks") == gateway.rows("SELECT * FROM orders") == []
    (event,) = clinic.stand.tiktok.requests
    assert event.json["test_event_code"] == "TEST123"


async def test_a_wrong_token_is_told_with_tiktoks_code_and_its_mend(clinic: Clinic):
    clinic.stand.tiktok.pixels[PIXEL] = "another-token"
    async with clinic.serving():
        faults = await clinic.find_faults(*WITH_CODE)
    assert list(faults) == ["tiktok"]
    assert f"refused the test event of pixel {PIXEL}: the access token is wrong" in faults["tiktok"].sentence
    assert "code 40105" in faults["tiktok"].sentence
    assert "generate a new one in Events Manager" in faults["tiktok"].mend


async def test_another_webhook_secret_than_the_gateways_is_told(clinic: Clinic):
    async with clinic.serving():
        clinic.stand.change(shopify=clinic.stand.overrides["shopify"] | {"webhook_secrets": ["a-new-secret"]})
        faults = await clinic.find_faults()
    assert list(faults) == ["webhooks"]
    assert faults["webhooks"].sentence.startswith("the gateway refuses one that is signed with webhook_secrets")
    assert faults["webhooks"].mend.startswith("restart the gateway")


async def test_a_cname_to_a_foreign_host_is_told_with_what_it_costs(clinic: Clinic):
    clinic.zone |= {HOST: {"CNAME": ["lb.host.net"]}, "lb.host.net": {"A": ["127.0.0.1"]}}
    async with clinic.serving():
        code, found = await clinic.examine()
    told = found["cookie life"]
    assert (code, told.status) == (0, Status.WARN)
    assert "Safari and every browser on iPhone 7 days, Chrome 400 days" in told.sentence
    assert f"{HOST} is a CNAME to lb.host.net, a name of another domain" in told.sentence
    assert told.mend.startswith("give gw.acme.com")


async def test_a_cname_within_the_domain_lets_cookies_live(clinic: Clinic):
    clinic.zone |= {HOST: {"CNAME": ["gw.acme.com"]}, "gw.acme.com": {"A": ["127.0.0.1"]}}
    async with clinic.serving():
        _, found = await clinic.examine()
    assert found["cookie life"].status is Status.OK
    assert "iPhone 400 days" in found["cookie life"].sentence


@pytest.mark.parametrize("name", [HOST, "www.acme.com"])
async def test_a_name_that_dns_does_not_know_is_told(clinic: Clinic, name: str):
    del clinic.zone[name]
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert list(faults) == ["dns"]
    assert faults["dns"].sentence == f"{name} is not found: there is no such name"


async def test_a_name_without_an_address_is_told(clinic: Clinic):
    clinic.zone[HOST] = {"TXT": ['"hello"']}
    faults = await clinic.find_faults()
    assert faults["dns"].sentence == f"{HOST} has no address"


async def test_a_certificate_for_another_name_is_told_and_nothing_is_sent_there(clinic: Clinic):
    clinic.set_up_proxy(OTHER_NAME)
    clinic.zone["x.acme.com"] = clinic.zone[HOST]
    async with clinic.serving(host="x.acme.com"):
        faults = await clinic.find_faults()
    assert list(faults) == ["certificate"]
    assert faults["certificate"].sentence.startswith("browsers refuse the certificate of x.acme.com: Hostname mismatch")


async def test_a_proxy_that_does_not_run_is_told(clinic: Clinic):
    clinic.zone[HOST] = {"A": ["127.0.0.77"]}
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert list(faults) == ["certificate"]
    assert faults["certificate"].sentence == f"no TLS at 127.0.0.77 for {HOST} (ConnectionRefusedError)"


async def test_an_old_address_among_good_ones_is_told(clinic: Clinic):
    clinic.zone[HOST] = {"A": ["127.0.0.1", "127.0.0.77"]}
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert list(faults) == ["certificate"]
    assert faults["certificate"].sentence.startswith(f"no TLS at 127.0.0.77 for {HOST}")
    assert "delete the records" in faults["certificate"].mend


async def test_a_script_that_the_proxy_changes_is_told(clinic: Clinic):
    clinic.set_up_proxy(CHANGES_SCRIPT)
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert list(faults) == ["script"]
    assert f"https://{HOST}/a7/w.js is changed on its way" in faults["script"].sentence
    assert "minifies" in faults["script"].mend


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            ANSWERS_ITSELF,
            {
                "script": f"https://{HOST}/a7/w.js answers HTTP 404 where the gateway serves the script",
                "cookies": f"a visit to https://{HOST} is answered HTTP 404",
                "client address": f"the gateway behind https://{HOST} does not know this configuration's key",
                "webhooks": "a forged one is answered HTTP 404, not 401",
            },
        ),
        (
            HANGS_UP,
            {
                "script": f"https://{HOST}/a7/w.js cannot be read: no answer (RemoteProtocolError)",
                "cookies": f"a visit to https://{HOST} cannot be reported: no answer (RemoteProtocolError)",
                "client address": f"the gateway cannot be asked through https://{HOST}: "
                "no answer (RemoteProtocolError)",
                "webhooks": "none reaches the gateway: no answer (RemoteProtocolError)",
            },
        ),
    ],
)
async def test_a_proxy_that_does_not_lead_to_the_gateway_is_told(clinic: Clinic, how: int, said: dict[str, str]):
    clinic.set_up_proxy(how)
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert {name: finding.sentence for name, finding in faults.items()} == said


async def test_a_proxy_that_is_not_trusted_hides_addresses(clinic: Clinic):
    async with clinic.serving(server={"trusted_proxies": ["192.0.2.1"]}):
        faults = await clinic.find_faults()
    assert list(faults) == ["client address"]
    assert "the gateway sees the proxy's, 127.0.0.1, and does not believe it" in faults["client address"].sentence
    assert faults["client address"].mend == 'add "127.0.0.1" to server.trusted_proxies'


async def test_a_proxy_that_tells_no_address_is_told(clinic: Clinic):
    clinic.set_up_proxy(TELLS_NO_IP)
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert list(faults) == ["client address"]
    assert "the proxy does not tell them" in faults["client address"].sentence


async def test_a_proxy_that_believes_its_visitors_is_told(clinic: Clinic):
    clinic.set_up_proxy(BELIEVES_VISITORS)
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert list(faults) == ["client address"]
    assert "visitors can claim any address" in faults["client address"].sentence


async def test_missing_consent_is_told(clinic: Clinic):
    clinic.monkeypatch.setattr("gateway.store.drops.FLUSH_S", 0.0)
    async with clinic.serving() as gateway:
        await gateway.beacon(make_beacon(consent=None))
        code, found = await clinic.examine()
        async with asyncio.timeout(60):
            while "consent" not in found:  # drops are noted a moment later
                code, found = await clinic.examine()
    told = found["consent"]
    assert (code, told.status) == (0, Status.WARN)
    assert told.sentence == ("1 of the last week's 1 events were dropped: no consent was given, or it was refused")
    assert told.mend.startswith("see that the page calls tg('consent'")


async def test_a_blocked_pixel_is_told(clinic: Clinic):
    async with clinic.serving() as gateway:
        await gateway.beacon(make_beacon(make_event(pixel="blocked")))
        await gateway.drained()
        code, found = await clinic.examine()
    told = found["pixel"]
    assert (code, told.status, found["consent"].status) == (0, Status.WARN, Status.OK)
    assert told.sentence.startswith("the browser's Pixel was blocked for 1 of the last week's 1 events")
    assert "Content-Security-Policy" in told.mend


@pytest.mark.parametrize(
    ("days", "status", "said"),
    [(30, Status.FAIL, "probably forgotten"), (0.1, Status.WARN, "counts before"), (-1, Status.WARN, "ended at")],
)
async def test_a_test_code_is_told_and_a_forgotten_one_is_a_fault(
    clinic: Clinic, days: float, status: Status, said: str
):
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    coded = PIXEL_SETTINGS | {"test_event_code": "TEST9", "test_event_code_until": until}
    async with clinic.serving(pixels=[coded]):
        code, found = await clinic.examine()
    assert (code, found["test code"].status) == (int(status is Status.FAIL), status)
    assert said in found["test code"].sentence
    assert found["test code"].mend.startswith("take test_event_code")


@pytest.mark.parametrize(("hours", "said"), [(24, "24 hours ahead"), (-24, "24 hours behind")])
async def test_a_clock_off_by_a_day_is_told(clinic: Clinic, hours: int, said: str):
    clinic.monkeypatch.setattr("gateway.clock.now_ms", lambda: now_ms() + hours * 3_600_000)
    async with clinic.serving():
        faults = await clinic.find_faults()
    assert list(faults) == ["clock"]
    assert said in faults["clock"].sentence


async def test_a_gateway_that_does_not_run_is_one_fault(clinic: Clinic):
    faults = await clinic.find_faults()
    assert list(faults) == ["gateway"]
    assert faults["gateway"].mend == "start it: tag-gateway serve"


async def test_a_gateway_with_another_key_is_told(clinic: Clinic):
    async with clinic.serving():
        clinic.stand.change(security={"secret_keys": ["another key of an installation, long enough"]})
        faults = await clinic.find_faults()
    assert set(faults) == {"database", "client address"}
    assert "restart it" in faults["client address"].mend


async def test_a_store_without_shopify_is_told_what_it_lacks(clinic: Clinic):
    del clinic.stand.overrides["shopify"]
    async with clinic.serving():
        code, found = await clinic.examine()
    assert code == 0
    assert (found["webhooks"].status, found["shopify"].status) == (Status.WARN, Status.WARN)
    assert "[stores.shopify]" in found["webhooks"].sentence
    assert "shopify deliveries" not in found


async def test_a_server_that_reaches_nobody_is_told(clinic: Clinic):
    nowhere = {"api_base": "http://127.0.0.1:9"}
    async with clinic.serving(delivery=nowhere, shopify=clinic.stand.overrides["shopify"] | nowhere):
        code, found = await clinic.examine(*WITH_CODE)
    assert (code, found["clock"].status) == (1, Status.WARN)
    assert "TikTok did not answer" in found["tiktok"].sentence
    assert "does not answer" in found["shopify"].sentence


async def test_a_visit_that_cannot_be_erased_is_marked_as_the_doctors(clinic: Clinic):
    clinic.monkeypatch.setattr("gateway.ops.doctor.visits._erase_visit", leave_alone)
    async with clinic.serving() as gateway:
        await clinic.examine()
        (visitor,) = gateway.visitors
    assert visitor["consent_source"] == "doctor"


async def leave_alone(*_: object) -> None:
    pass


async def test_wrong_credentials_of_the_shop_are_told(clinic: Clinic):
    shop = clinic.stand.overrides["shopify"] | {"client_secret": "wrong"}
    async with clinic.serving(shopify=shop):
        faults = await clinic.find_faults()
    assert list(faults) == ["shopify"]
    assert faults["shopify"].sentence == "client_id and client_secret do not belong together"
    assert faults["shopify"].mend.startswith("copy both again")


@pytest.mark.parametrize(
    ("minutes", "status", "said"),
    [(5, Status.OK, "5 minutes"), (20, Status.WARN, "20 minutes"), (180, Status.FAIL, "3 hours")],
)
async def test_an_event_that_has_waited_for_long_is_told(clinic: Clinic, minutes: int, status: Status, said: str):
    clinic.stand.tiktok.pixels[PIXEL] = "another-token"
    async with clinic.serving() as gateway:
        await visit(gateway, place(1))
        with contextlib.closing(sqlite3.connect(gateway.database)) as connection, connection:
            connection.execute("UPDATE events SET received_ms = received_ms - ?", (minutes * 60_000,))
        code, found = await clinic.examine()
    assert (code, found["queue"].status) == (int(status is Status.FAIL), status)
    assert f"has waited for {said} to be sent" in found["queue"].sentence


async def test_no_finding_holds_a_secret(clinic: Clinic):
    clinic.stand.tiktok.pixels[PIXEL] = "another-token"
    async with clinic.serving():
        await clinic.examine(*WITH_CODE)
        secrets = [SHOP["client_secret"], *SHOP["webhook_secrets"], "token-of-a-test"]
        assert [secret for secret in secrets if secret in clinic.told] == []


async def test_lines_are_for_people_and_end_with_what_to_do(clinic: Clinic):
    async with clinic.serving():
        code, out, _ = await clinic.stand.run("doctor", "--dns", clinic.dns)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("ok   gateway: it runs at http://127.0.0.1:")
    assert f"ok   acme: certificate: the certificate of {HOST} is good for another" in out
    assert lines[-1].startswith("All that must work works")


async def test_it_can_be_interrupted_at_any_time(clinic: Clinic):
    """Ctrl-C cancels the doctor: here while a DNS server lets it wait."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        settings = clinic.stand.settings
        network = Network(f"127.0.0.1:{silent.getsockname()[1]}")
        is_waiting = asyncio.Event()

        async def run() -> None:
            async for finding in examine(settings, settings.stores, network, now_ms):
                if finding.check == "clock":
                    is_waiting.set()

        task = asyncio.create_task(run())
        await is_waiting.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
