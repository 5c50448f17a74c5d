"""The Caddyfile that merchants run: valid, tidy, and in step with the gateway behind it."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from gateway.app import KEEP_ALIVE_S, REQUESTS_STOP_S
from gateway.beside import DELIVERY_STOP_S
from gateway.intake.beacon import MAX_BYTES
from gateway.web.connection import MAX_HEAD_BYTES, REQUEST_S
from tests.browser.caddy import CADDYFILE, adapt, find_caddy


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """What Caddy makes of it for two stores."""
    return adapt("t.acme.test, t.bolt.test", "127.0.0.1:8080")


def handlers(config: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The handlers of this name in the one site."""
    (site,) = config["apps"]["http"]["servers"]["srv0"]["routes"]
    (subroute,) = site["handle"]
    return [handler for route in subroute["routes"] for handler in route["handle"] if handler["handler"] == name]


@pytest.mark.parametrize("command", [["validate"], ["fmt", "--diff"]], ids=["valid", "tidy"])
def test_the_caddyfile_is_valid_and_tidy(command: list[str]) -> None:
    option = ["--config"] if command == ["validate"] else []
    env = {**os.environ, "GATEWAY_HOST": "t.acme.test"}
    done = subprocess.run(
        [find_caddy(), *command, *option, str(CADDYFILE)], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_host_of_the_environment_is_served(config: dict[str, Any]) -> None:
    (site,) = config["apps"]["http"]["servers"]["srv0"]["routes"]
    assert site["match"] == [{"host": ["t.acme.test", "t.bolt.test"]}]


def test_idle_connections_end_before_the_gateway_ends_them(config: dict[str, Any]) -> None:
    (proxy,) = handlers(config, "reverse_proxy")
    assert proxy["transport"]["keep_alive"]["idle_timeout"] / 1e9 < KEEP_ALIVE_S


def test_bodies_are_limited_above_what_the_gateway_takes(config: dict[str, Any]) -> None:
    (limit,) = handlers(config, "request_body")
    assert MAX_BYTES < limit["max_size"] <= 1_000_000


def test_what_is_asked_waits_for_a_gateway_that_restarts_and_may_be_asked_again(config: dict[str, Any]) -> None:
    (proxy,) = handlers(config, "reverse_proxy")
    (limit,) = handlers(config, "request_body")
    balancing = proxy["load_balancing"]
    assert balancing["try_duration"] / 1e9 > REQUESTS_STOP_S + DELIVERY_STOP_S + 2
    assert {"method": ["GET", "POST"]} in balancing["retry_match"]
    assert proxy["request_buffers"] >= limit["max_size"]


def test_slow_clients_and_long_heads_are_bounded_as_in_the_gateway(config: dict[str, Any]) -> None:
    server = config["apps"]["http"]["servers"]["srv0"]
    assert server["read_header_timeout"] / 1e9 <= REQUEST_S
    assert server["read_timeout"] / 1e9 == REQUEST_S
    assert server["max_header_bytes"] <= MAX_HEAD_BYTES
