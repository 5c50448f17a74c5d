"""What DNS says decides how long Safari keeps cookies; it is asked seldom, and nobody waits for it long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.errors import CommandError
from gateway.ops import forecast
from gateway.ops.cookie_life import SAFARI, Name
from gateway.ops.doctor.network import Unreachable
from gateway.ops.forecast import Forecast
from tests.servers import make_settings


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Name | Exception | None]:
    """What DNS says of each name: an answer, a failure, or None for none at all; `asked` counts."""
    told: dict[str, Name | Exception | None] = {}

    class Network:
        async def look_up(self, host: str) -> Name:
            answer = told[host]
            if answer is None:
                await asyncio.Event().wait()
            if isinstance(answer, Exception):
                raise answer
            assert isinstance(answer, Name)
            return answer

    monkeypatch.setattr(forecast, "Network", Network)
    monkeypatch.setattr(forecast, "LONGEST_S", 0.01)
    return told


async def test_addresses_that_are_near_keep_the_cookie_and_the_answer_is_remembered(
    tmp_path: Path, names: dict[str, Name | Exception | None]
):
    (shop,) = make_settings(tmp_path).stores
    names |= {host: Name(host, (), ("192.0.2.9",)) for host in ("t.acme.com", "www.acme.com")}
    known = Forecast()
    first = await known.predict(shop, 5)
    assert first
    assert first.days[SAFARI] == 400
    names.clear()
    assert await known.predict(shop, 0) is first


@pytest.mark.parametrize("trouble", [None, Unreachable("there is no such name"), CommandError("no DNS server")])
async def test_without_an_answer_nothing_is_predicted(
    tmp_path: Path, names: dict[str, Name | Exception | None], trouble: Exception | None
):
    (shop,) = make_settings(tmp_path).stores
    names |= {"t.acme.com": trouble, "www.acme.com": Name("www.acme.com", (), ("192.0.2.9",))}
    assert await Forecast().predict(shop, 5) is None


async def test_who_cannot_wait_is_told_the_next_time(tmp_path: Path, names: dict[str, Name | Exception | None]):
    (shop,) = make_settings(tmp_path).stores
    names |= {host: Name(host, (), ("192.0.2.9",)) for host in ("t.acme.com", "www.acme.com")}
    known = Forecast()
    assert await known.predict(shop, 0) is None
    assert await known.predict(shop, 5)
