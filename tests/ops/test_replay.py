"""`tag-gateway events replay`: what was refused is sent once more when that counts nothing twice, and never else."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec import structs

from gateway.demo.fake_tiktok.moods import Mood
from gateway.intake.receive import PIXEL_WINDOW_MS
from gateway.model.outcome import Fate
from gateway.ops.replay import NO_PIXEL, PIXEL_TWIN, TOO_OLD, UNKNOWN_ANSWER, judge
from tests.beacons import Browser, make_event
from tests.model.test_telling import AT_MS, make_dossier
from tests.ops.stand import Stand, open_stand
from tests.servers import PIXEL, Gateway

HOUR_MS = 3_600_000


@pytest.fixture
async def stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path, capsys) as opened:
        yield opened


async def refuse(stand: Stand, gateway: Gateway, *event_ids: str, **said: Any) -> None:
    """TikTok has refused these events."""
    for event_id in event_ids:
        stand.tiktok.moods.add(Mood(code=40002, message="not today"))
        await Browser(gateway).beacon(make_event(event_id=event_id, **said))
        await gateway.drained()


def change(database: Path, statement: str) -> None:
    """The database is changed while no gateway runs."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def fates(gateway: Gateway) -> dict[str, str | None]:
    return {event["event_id"]: event["fate"] for event in gateway.events}


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_rejected_event_is_sent_once_more_and_accepted(stand: Stand, is_running: bool):
    async with stand.serving() as gateway:
        await refuse(stand, gateway, "e-1")
        assert fates(gateway) == {"e-1": "rejected"}
        if is_running:
            code, out, err = await stand.run("events", "replay", "e-1", "--yes")
            await gateway.drained()
    if not is_running:
        code, out, err = await stand.run("events", "replay", "e-1", "--yes")
        async with stand.serving() as gateway:
            await gateway.drained()
    mend = "the gateway is sending them" if is_running else "they are sent once the gateway runs"
    assert (code, out, err) == (0, f"1 may be replayed\n1 replayed; {mend}\n", "")
    assert fates(gateway) == {"e-1": "accepted"}
    assert stand.count_sent() == {"e-1": 1}


async def test_the_hours_count_what_was_replayed_once(stand: Stand):
    async with stand.serving() as gateway:
        await refuse(stand, gateway, "e-1")
        await stand.run("events", "replay", "--fate", "rejected", "--yes")
        await gateway.drained()
        [hours] = gateway.rows("SELECT sum(received) r, sum(rejected) x, sum(accepted) a FROM flow_hours")
    assert hours == {"r": 1, "x": 0, "a": 1}


async def test_what_the_pixel_told_two_days_ago_is_refused_with_the_reason(stand: Stand):
    async with stand.serving() as gateway:
        await refuse(stand, gateway, "e-fired", pixel="fired")
        await refuse(stand, gateway, "e-alone", pixel="blocked")
    change(gateway.database, f"UPDATE events SET occurred_ms = occurred_ms - {49 * HOUR_MS}")
    async with stand.serving() as gateway:
        code, out, _ = await stand.run("events", "replay", "--code", "40002", "--yes")
        await gateway.drained()
    assert code == 0
    assert f"1 may not: {PIXEL_TWIN}" in out
    assert fates(gateway) == {"e-fired": "rejected", "e-alone": "accepted"}


async def test_only_what_is_wanted_is_replayed(stand: Stand):
    async with stand.serving() as gateway:
        await refuse(stand, gateway, "e-1", "e-2")
        assert "0 may be replayed" in (await stand.run("events", "replay", "--code", "50000", "--yes"))[1]
        assert "0 may be replayed" in (await stand.run("events", "replay", "--fate", "expired", "--yes"))[1]
        await stand.run("events", "replay", "e-2", "--yes")
        await gateway.drained()
    assert fates(gateway) == {"e-1": "rejected", "e-2": "accepted"}


async def test_a_named_event_that_may_not_be_replayed_ends_with_one(stand: Stand):
    async with stand.serving() as gateway:
        await Browser(gateway).beacon(make_event(event_id="e-1"))
        await gateway.drained()
        code, out, _ = await stand.run("events", "replay", "e-1", "--yes")
    assert code == 1
    assert "only rejected and expired events are replayed, and it is accepted" in out
    assert stand.count_sent() == {"e-1": 1}


@pytest.mark.parametrize("agrees", [True, False])
async def test_on_a_terminal_it_asks_first(stand: Stand, monkeypatch: pytest.MonkeyPatch, agrees: bool):
    def confirm(question: str, **_: object) -> None:
        assert question == "Send 1 once more?"
        if not agrees:
            raise typer.Abort

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", confirm)
    async with stand.serving() as gateway:
        await refuse(stand, gateway, "e-1")
        code, _, _ = await stand.run("events", "replay", "e-1")
        await gateway.drained()
    assert (code, fates(gateway)["e-1"]) == ((0, "accepted") if agrees else (130, "rejected"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--yes"], "which?"),
        (["e-1"], "add --yes"),
        (["--fate", "accepted", "--yes"], "rejected or expired"),
        (["--since", "soon", "--yes"], "--since"),
    ],
)
async def test_what_cannot_be_meant_is_named(stand: Stand, options: list[str], sentence: str):
    code, _, err = await stand.run("events", "replay", *options)
    assert code == 2
    assert sentence in err


# -- The rule


REJECTED = structs.replace(make_dossier(fate=Fate.REJECTED), pixel_code=PIXEL)


@pytest.mark.parametrize(
    ("changes", "after_h", "refusal"),
    [
        ({}, 100, None),
        ({"fate": Fate.EXPIRED}, 100, None),
        ({}, 169, TOO_OLD),
        ({"pixel": "fired"}, 47, None),
        ({"pixel": "fired"}, 48, PIXEL_TWIN),
        ({"pixel": "blocked"}, 48, None),
        ({"maybe_sent_ms": AT_MS}, 47, None),
        ({"maybe_sent_ms": AT_MS}, 48, UNKNOWN_ANSWER),
        ({"pixel_code": "C0GONE"}, 1, NO_PIXEL),
    ],
)
def test_nothing_is_replayed_that_could_count_twice(changes: dict[str, Any], after_h: int, refusal: str | None):
    event = structs.replace(REJECTED, **changes)
    assert judge(event, {PIXEL}, 168, AT_MS + after_h * HOUR_MS) == refusal


@pytest.mark.parametrize("changes", [{"pixel": "fired"}, {"maybe_sent_ms": AT_MS}])
def test_the_last_moment_leaves_time_for_the_request(changes: dict[str, Any]):
    event = structs.replace(REJECTED, **changes)
    assert judge(event, {PIXEL}, 168, AT_MS + PIXEL_WINDOW_MS) is None
    assert judge(event, {PIXEL}, 168, AT_MS + PIXEL_WINDOW_MS + 1) is not None


@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.WITHDRAWN, Fate.NOT_SENT, None])
def test_other_fates_are_final(fate: Fate | None):
    assert "only rejected and expired" in (judge(structs.replace(REJECTED, fate=fate), {PIXEL}, 168, AT_MS) or "")
