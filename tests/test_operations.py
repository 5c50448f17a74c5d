"""docs/operations.md can be followed to the letter: what it names exists, and what it says to run works."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import psycopg
import pytest
import typer.main

from gateway import cli
from gateway.app import REQUESTS_STOP_S, STORE_STOP_S
from gateway.beside import DELIVERY_STOP_S
from gateway.delivery.settlements import UNKNOWN_WINDOW_MS
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok
from tests.beacons import make_beacon, make_event
from tests.postgres import POSTGRES_BIN_PATH, Server
from tests.servers import make_settings, make_tree, running_gateway

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = typer.main.get_group(cli.app).commands
NAMED = re.findall(r"(?:^    |`|/bin/)tag-gateway ([a-z-]+)([^`\n|]*)", TEXT, re.MULTILINE)


def find_block(kind: str) -> str:
    (block,) = re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)
    return str(block)


@pytest.mark.parametrize(("name", "rest"), NAMED)
def test_a_command_and_its_options_exist(name: str, rest: str):
    command = COMMANDS[name]
    if subcommand := re.match(r" ([a-z]+)\b", rest) if hasattr(command, "commands") else None:
        command = command.commands[subcommand[1]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options


def test_the_commands_that_keep_data_are_all_told():
    assert {"serve", "deliver", "doctor", "backup", "restore", "move", "reconcile"} <= {name for name, _ in NAMED}


def test_every_metric_that_is_named_exists():
    signals = (ROOT / "docs" / "signals.md").read_text()
    for name in re.findall(r"tag_gateway_\w+", TEXT):
        assert f"`{name}`" in signals


@pytest.mark.parametrize("name", re.findall(r"\]\(([a-z]+\.md)\)", TEXT))
def test_every_page_that_is_named_exists(name: str):
    assert (ROOT / "docs" / name).is_file()


def test_the_service_waits_for_an_orderly_stop_and_runs_what_exists():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(find_block("ini"))
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > 10 > REQUESTS_STOP_S + DELIVERY_STOP_S + STORE_STOP_S
    assert service["ExecStart"].split()[1:] == ["serve"]
    assert service["User"] != "root"


def test_the_database_is_where_the_service_may_write():
    url = re.search(r'url = "(sqlite:.*?)"', TEXT)
    assert url
    settings = make_settings(Path("/etc/tag-gateway"), storage={"url": url[1]})
    assert settings.storage.url.get_secret_value() == "sqlite:////var/lib/tag-gateway/gateway.db"


def test_the_settings_for_an_old_backup_are_taken_and_keep_within_tiktoks_memory():
    hours = re.search(r"`delivery.max_age_h` to (\d+)", TEXT)
    assert hours
    assert int(hours[1]) * 3_600_000 < UNKNOWN_WINDOW_MS
    assert make_settings(Path(), delivery=make_tree()["delivery"] | {"max_age_h": int(hours[1])})


def run_tool(name: str, *arguments: str) -> None:
    subprocess.run([POSTGRES_BIN_PATH / name, *arguments], check=True, timeout=300)


async def test_a_dump_of_postgresql_is_restored_and_sends_nothing_too_late(tmp_path: Path, postgres: Server):
    """The statement's own date is long past in this test, so what waited may not be sent any more."""
    old, new, dump = postgres.make_database("dumped"), postgres.make_database("restored"), tmp_path / "gateway.dump"
    pixels = [{"code": DEMO_PIXEL, "access_token": DEMO_TOKEN}]
    said = {"pixels": pixels, "consent": "granted"}
    async with running_gateway(make_settings(tmp_path, storage={"url": old}, **said)) as gateway:
        assert (await gateway.beacon(make_beacon(make_event(event_id="e-1")))).status_code == 204
        run_tool("pg_dump", "--format=custom", f"--file={dump}", old)
    run_tool("pg_restore", "--clean", "--if-exists", f"--dbname={new}", str(dump))
    long_ago = re.sub(r"timestamptz '\d{4}", "timestamptz '2020", find_block("sql"))
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute(long_ago)  # type: ignore[arg-type]
    tiktok = FakeTikTok()
    async with tiktok.serve() as api_base:
        settings = make_settings(tmp_path, storage={"url": new}, delivery={"api_base": api_base}, **said)
        async with running_gateway(settings, deliver=True) as gateway:
            assert (await gateway.beacon(make_beacon(make_event(event_id="e-2")))).status_code == 204
            await tiktok.until(lambda: tiktok.events)
    assert [event["event_id"] for event in tiktok.events] == ["e-2"]
    with psycopg.connect(new) as connection:
        ((fate, reason),) = connection.execute("SELECT fate, reason FROM events WHERE event_id = 'e-1'").fetchall()
    assert fate == "expired"
    assert "TikTok could count it twice" in reason
