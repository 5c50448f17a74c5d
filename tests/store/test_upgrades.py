"""Whatever a released version had stored is there after the upgrade, is served and delivered; killed half-way too.

`STORED` is what versions wrote, by table and column; each revision gets the columns that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import util
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, event, select, text

from gateway.clock import now_ms
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok
from gateway.store.database import MIGRATIONS, migrate, newest_revision, open_engine
from gateway.store.tables import metadata
from tests.beacons import make_beacon, make_event
from tests.postgres import Server
from tests.servers import USER_AGENT, make_settings, running_gateway
from tests.store.test_schema import run_migrations

REVISIONS = sorted(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
NOW_MS = now_ms()
HOUR_MS = 3_600_000
EMAIL = "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"


def make_body(name: str, event_id: str, **said: Any) -> str:
    """An Event as every version so far has written it."""
    user = {"email": [EMAIL], "ttclid": "E.C.P.old", "user_agent": USER_AGENT}
    body = {"event": name, "event_id": event_id, "occurred_ms": NOW_MS - HOUR_MS, "received_ms": NOW_MS - HOUR_MS}
    page = {"url": "https://www.acme.com/products/tee"}
    return json.dumps(
        body | {"source": "beacon", "page": page, "user": user, "properties": {}, "pixel": "fired"} | said
    )


PURCHASE = {"value": "20.50", "currency": "EUR", "content_ids": ["44"], "content_type": "product"}


def make_stored(id_: str, name: str, event_id: str, fate: str | None, **said: Any) -> dict[str, Any]:
    """The row of an event."""
    return {
        "store_id": "acme", "id": id_, "pixel_code": DEMO_PIXEL, "event": name, "event_id": event_id,
        "visitor_id": "v-1", "source": "beacon", "pixel": "fired", "occurred_ms": NOW_MS - HOUR_MS,
        "received_ms": NOW_MS - HOUR_MS, "expires_ms": NOW_MS + HOUR_MS, "duplicates": 1, "ip": "203.0.113.7",
        "body": make_body(name, event_id, **said), "fate": fate, "reason": None,
        "settled_ms": NOW_MS - HOUR_MS + 1500 if fate else None,
        "browser": "chrome", "traits": 1 | 1 << 1 | 1 << 3, "currency": None, "worth_e4": None,
        "maybe_sent_ms": None, "found_by": "signed", "consent_source": "banner",
    }  # fmt: skip


def make_hour(name: str, **keys: Any) -> dict[str, Any]:
    """The row of an hour, in which no two counts are the same."""
    counts = {column.name: number for number, column in enumerate(metadata.tables[name].columns, 1)}
    return counts | {"store_id": "acme", "hour_ms": NOW_MS - NOW_MS % HOUR_MS, "slot": 0} | keys


STORED: dict[str, list[dict[str, Any]]] = {
    "visitors": [
        {
            "store_id": "acme", "id": "v-1", "first_seen_ms": NOW_MS - 2 * HOUR_MS, "last_seen_ms": NOW_MS - HOUR_MS,
            "ttclid": "E.C.P.old", "click_ms": NOW_MS - 2 * HOUR_MS, "ttp": "2theirTTP", "email": EMAIL, "phone": None,
            "external_id": None, "marketing": True, "analytics": None, "sale_of_data": False,
            "consent_source": "banner", "consent_ms": NOW_MS - 2 * HOUR_MS, "ip": "203.0.113.7",
            "user_agent": USER_AGENT, "landing": None, "cookie_ms": None,
        },
    ],
    "links": [
        {
            "store_id": "acme", "kind": "cart", "digest": "d" * 64, "visitor_id": "v-1",
            "click_ms": NOW_MS - 2 * HOUR_MS, "linked_ms": NOW_MS - HOUR_MS,
        },
    ],
    "events": [
        make_stored("0001", "ViewContent", "sent", "accepted"),
        make_stored("0002", "Purchase", "purchase_1", None, properties=PURCHASE)
        | {"currency": "EUR", "worth_e4": 205_000},
        make_stored("0003", "AddToCart", "refused", "rejected") | {"reason": "a reason of TikTok's"},
    ],
    "visits": [{"store_id": "acme", "visitor_id": "v-1", "span": span} for span in ("0001", "0002", "0003")],
    "outbox": [
        {
            "store_id": "acme", "id": "0002", "pixel_code": DEMO_PIXEL, "due_ms": NOW_MS - HOUR_MS, "attempts": 1,
            "lease": "a dead process", "maybe_sent_ms": NOW_MS - HOUR_MS,
        },
    ],
    "attempts": [
        {
            "store_id": "acme", "id": id_, "attempted_ms": NOW_MS - HOUR_MS + 900, "verdict": verdict,
            "http_status": 200, "code": code, "message": message, "request_id": "r-1",
        }
        for id_, verdict, code, message in (("0001", "accepted", 0, "OK"), ("0003", "reject", 40002, "bad"))
    ],
    "orders": [
        {
            "store_id": "acme", "id": "1", "name": "#1001", "visitor_id": "v-1", "placed_ms": NOW_MS - HOUR_MS,
            "heard_ms": NOW_MS - HOUR_MS, "value": "20.50", "currency": "EUR", "reason": None, "fate": None,
        },
    ],
    "reversals": [
        {
            "store_id": "acme", "order_id": "1", "kind": "refund", "occurred_ms": NOW_MS, "amount": "5.00",
            "currency": "EUR",
        },
    ],
    "webhooks": [{"store_id": "acme", "id": "w-1", "topic": "orders/paid", "received_ms": NOW_MS}],
    "alerts": [{"store_id": "acme", "cause": "backlog", "seen_ms": NOW_MS, "due_ms": NOW_MS, "told_ms": None}],
    "flow_hours": [make_hour("flow_hours", pixel_code=DEMO_PIXEL, event="ViewContent", source="beacon")],
    "recovered_hours": [make_hour("recovered_hours", pixel_code=DEMO_PIXEL, browser="chrome", currency="EUR")],
    "cookie_hours": [make_hour("cookie_hours", browser="safari_ios")],
    "drop_hours": [make_hour("drop_hours", source="beacon", reason="consent")],
    "failure_hours": [
        make_hour("failure_hours", pixel_code=DEMO_PIXEL, verdict="reject", code="40002")
        | {"last_ms": NOW_MS, "message": "bad", "request_id": "r-1"},
    ],
    "erasures": [
        {
            "store_id": "acme", "id": "e-1", "erased_ms": NOW_MS, "named_by": "email", "visitors": 1, "links": 2,
            "events": 3, "attempts": 4, "orders": 5,
        },
    ],
}  # fmt: skip

LEARNT = {"maybe_sent_ms", "found_by", "consent_source", "browser", "traits", "currency", "worth_e4", "fate"}
"""Columns that a later version may fill in of itself."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/gateway.db"
    url: str = request.getfixturevalue("lasting_upgrade_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return url


@pytest.fixture(scope="module")
def lasting_upgrade_url(postgres: Server) -> str:
    return postgres.make_database("upgrades")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


def store(engine: Engine, revision: str, **more: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The database is of this revision, with what a gateway of that time had stored in every table; that, by table."""
    run_migrations(engine, revision)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        tables = reflect(connection)
        assert tables.keys() - {"alembic_version"} <= STORED.keys()
        stored = {
            name: [{column: row[column] for column in tables[name].columns.keys()} for row in rows]  # noqa: SIM118
            for name, rows in (STORED | more).items()
            if name in tables
        }
        for name, rows in stored.items():
            connection.execute(tables[name].insert(), rows)
    return stored


def reflect(connection: Connection) -> dict[str, Any]:
    found = MetaData()
    found.reflect(connection)
    return dict(found.tables)


def read_all(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row that is there, in the order of the keys."""
    with engine.connect() as connection:
        return {
            name: [dict(row._mapping) for row in connection.execute(select(one).order_by(*one.primary_key.columns))]
            for name, one in reflect(connection).items()
        }


def check_kept(engine: Engine, stored: dict[str, list[dict[str, Any]]]) -> None:
    """The database is of the newest revision, and what was stored is there as it was."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == newest_revision()
    found = read_all(engine)
    for name, rows in stored.items():
        for before, after in zip(rows, found[name], strict=True):
            changed = {column for column, value in before.items() if after[column] != value}
            assert changed <= {column for column in LEARNT if before.get(column) is None}, name


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_a_version_stored_is_kept(engine: Engine, revision: str):
    stored = store(engine, revision)
    migrate(engine)
    check_kept(engine, stored)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_what_takes_many_steps_is_kept_and_none_of_it_is_left_out(
    engine: Engine, revision: str, monkeypatch: pytest.MonkeyPatch
):
    """As in a database of millions: of two stores, with steps of two rows."""
    monkeypatch.setattr(util, "load_python_file", partial(load_with_small_steps, util.load_python_file))
    ours = STORED["events"]
    stored = store(engine, revision, events=ours + [row | {"store_id": "other"} for row in ours])
    migrate(engine)
    check_kept(engine, stored)
    found = read_all(engine)
    assert {(row["browser"], bool(row["traits"])) for row in found["events"]} == {("chrome", True)}
    assert found["visits"] == [visit | {"store_id": store} for store in ("acme", "other") for visit in STORED["visits"]]


def load_with_small_steps(load: Callable[[str, str], Any], folder: str, name: str) -> Any:
    """A migration, which Alembic loads anew each time."""
    module = load(folder, name)
    if hasattr(module, "_AT_ONCE"):
        module._AT_ONCE = 2
    return module


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_a_version_left_waiting_is_delivered(url: str, engine: Engine, revision: str, tmp_path: Path):
    """And what it had sent is known: the same event is a duplicate."""
    await asyncio.to_thread(store, engine, revision)
    tiktok = FakeTikTok()
    pixels = [{"code": DEMO_PIXEL, "access_token": DEMO_TOKEN}]
    async with tiktok.serve() as api_base:
        settings = make_settings(
            tmp_path, pixels=pixels, consent="granted", storage={"url": url}, delivery={"api_base": api_base}
        )
        async with running_gateway(settings, deliver=True) as gateway:
            again = await gateway.beacon(make_beacon(make_event(event_id="sent")))
            new = await gateway.beacon(make_beacon(make_event(event_id="new")))
            await tiktok.until(lambda: len(tiktok.events) == 2)
    assert (again.status_code, again.headers.get("x-dropped")) == (204, "duplicate")
    assert (new.status_code, new.headers.get("x-dropped")) == (204, None)
    told = {event["event_id"]: event for event in tiktok.events}
    assert set(told) == {"purchase_1", "new"}
    assert told["purchase_1"]["properties"]["value"] == 20.5
    assert {row["event_id"]: row["fate"] for row in read_all(engine)["events"]} == {
        "sent": "accepted", "purchase_1": "accepted", "refused": "rejected", "new": "accepted",
    }  # fmt: skip


# -- Interrupted


class Interrupted(BaseException):
    """As if the process had ended here."""


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_migration_that_is_stopped_anywhere_leaves_the_version_before_it(
    engine: Engine, revision: str, released: dict[str, set[tuple[str, str]]]
):
    """One statement further each time, until it is through."""
    stored = store(engine, revision)
    left = [10**9]

    def stop(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted

    event.listen(engine, "before_cursor_execute", stop)
    stops = 0
    while check_released(engine, released) == revision:
        left[0], stops = stops, stops + 1
        with contextlib.suppress(Interrupted):
            migrate(engine)
        left[0] = 10**9
    assert stops > 5
    migrate(engine)
    check_kept(engine, stored)


def test_a_migration_that_is_stopped_while_it_tells_how_far_it_is_goes_on_when_it_is_called_again(engine: Engine):
    """As Ctrl-C does it; one step further each time, until it is through."""
    stored, told, is_through = store(engine, "0001"), 0, False
    while not is_through:
        steps = list[tuple[str, int, int]]()
        told += 1
        try:
            migrate(engine, partial(contextlib.nullcontext, partial(note, steps, told)))
            is_through = True
        except Interrupted:
            assert len(steps) == told
            assert read_revision(engine) < newest_revision()
    assert told > 1
    check_kept(engine, stored)


def note(steps: list[tuple[str, int, int]], most: int, *step: Any) -> None:
    steps.append(step)
    if len(steps) == most:
        raise Interrupted


def read_revision(engine: Engine) -> str:
    with engine.connect() as connection:
        revision: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return revision


def test_an_upgrade_tells_how_far_it_is(engine: Engine):
    stored = store(engine, "0002")
    steps = list[tuple[str, int, int]]()
    migrate(engine, partial(contextlib.nullcontext, partial(note, steps, 0)))
    check_kept(engine, stored)
    assert ("events read again", 3, 3) in steps
    assert (("events moved", 3, 3) in steps) is (engine.dialect.name == "sqlite")
    assert [step for step in steps if step[0] == "reports counted"][-1] == ("reports counted", 4, 4)
    missing = len(REVISIONS) - REVISIONS.index("0002") - 1
    assert [step for step in steps if step[0] == "schema versions"] == [
        ("schema versions", number, missing) for number in range(1, missing + 1)
    ]


def check_released(engine: Engine, released: dict[str, set[tuple[str, str]]]) -> str:
    """The database has the columns of the revision that it says it is of, and no others; which one that is."""
    revision = read_revision(engine)
    with engine.connect() as connection:
        assert read_columns(connection) == released[revision]
    return revision


def read_columns(connection: Connection) -> set[tuple[str, str]]:
    return {(name, column.name) for name, one in reflect(connection).items() for column in one.columns}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[str, str]]]:
    """The columns of each revision."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('released')}/gateway.db")
    found = {}
    for revision in REVISIONS:
        run_migrations(engine, revision)
        with engine.connect() as connection:
            found[revision] = read_columns(connection)
    engine.dispose()
    return found


KILL = """
import os, signal, sys
from sqlalchemy import event
from gateway.store.database import migrate, open_engine
engine = open_engine(sys.argv[1])
def kill(_connection, _cursor, statement, *_):
    if sys.argv[2] in statement:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(engine, "after_cursor_execute", kill)
migrate(engine)
"""


@pytest.mark.parametrize("after", ["INSERT INTO flow_hours", "CREATE TABLE erasures"])
def test_an_upgrade_that_is_killed_goes_on_at_the_next_start(url: str, engine: Engine, after: str):
    stored = store(engine, "0002")
    engine.dispose()
    killed = subprocess.run([sys.executable, "-c", KILL, url, after], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    migrate(engine)
    check_kept(engine, stored)
    assert len(read_all(engine)["flow_hours"]) == 3  # counted once


def test_an_upgrade_says_that_it_takes_its_time(engine: Engine, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    store(engine, "0001")
    migrate(engine)
    told = [record.message for record in caplog.records if record.name == "gateway.store.database"]
    assert told[0] == f"bringing the database from revision 0001 to {newest_revision()}: a large one takes minutes"
    assert told[1:-1] == [line for line in told if re.fullmatch(r"[a-z ]+: \d+ of \d+", line)]
    assert f"schema versions: 1 of {len(REVISIONS) - 1}" in told
    assert told[-1].startswith("the database is up to date, after ")
    caplog.clear()
    migrate(engine)
    assert not caplog.records
