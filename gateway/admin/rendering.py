"""Draws pages: Jinja with everything escaped, and the words of `gateway.admin.format` as filters.

Called by `gateway.admin.dashboard` and `gateway.admin.sign_in`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct
from starlette.responses import HTMLResponse

import gateway.admin.format as words
import gateway.admin.names as names
from gateway.files import STATIC, TEMPLATES

ASSETS = {"admin.css": "text/css", "admin.js": "text/javascript"}


class Asset(Struct, frozen=True):
    """A file of ours that pages load, under an address that changes with it."""

    media_type: str
    body: bytes
    version: str


@cache
def find_asset(name: str) -> Asset:
    """One of `ASSETS`. Raises: KeyError for any other name."""
    media_type = ASSETS[name]
    body = (STATIC / name).read_bytes()
    return Asset(media_type, body, hashlib.sha256(body).hexdigest()[:12])


def _address_asset(name: str) -> str:
    return f"/admin/static/{name}?v={find_asset(name).version}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "admin"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters |= {"count": words.to_count, "compact": words.to_compact, "money": words.to_money}
    environment.filters |= {"share": words.to_share, "ago": words.to_ago}
    environment.filters |= {"outcome": names.name_outcome, "teller": names.name_teller, "browser": names.name_browser}
    environment.filters |= {"key": names.name_key, "event": names.name_event}
    environment.globals["asset"] = _address_asset
    return environment


def render(name: str, zone: ZoneInfo, values: Mapping[str, Any]) -> str:
    """The template with these values; its `when` tells times in this zone."""
    template = _environment().get_template(name)
    return template.render({**values, "when": lambda at_ms: words.to_moment(at_ms, zone)})


def respond(
    name: str, zone: ZoneInfo, values: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """The same as an answer."""
    return HTMLResponse(render(name, zone, values), status, headers)
