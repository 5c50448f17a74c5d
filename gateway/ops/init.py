"""Writes a shop's first gateway.toml: commented, with a fresh key and paths no other shop has.

Called by `tag-gateway init`. The text is made from templates/gateway.toml.j2 and is loaded once before it is written:
what `init` writes is what `check` accepts.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gateway.errors import CommandError, SettingsError
from gateway.files import TEMPLATES
from gateway.settings import parse_settings

TOKEN_VARIABLE = "TIKTOK_ACCESS_TOKEN"  # noqa: S105  a variable's name, not a token
"""The environment variable from which the written config takes the pixel's access token."""

QUESTIONS = {
    "--site": (
        "The shop's address, such as https://www.acme.com",
        "Where customers shop: what a browser shows on a product's page, up to the first slash.",
    ),
    "--host": (
        "The gateway's own name, such as t.acme.com",
        "A free name below the shop's domain, short and without meaning: blockers know words such as ads or track. You "
        "point its DNS at this server afterwards.",
    ),
    "--pixel": (
        "The Pixel Code from TikTok's Events Manager",
        "TikTok Ads Manager > Tools > Events Manager > your pixel shows it: capital letters and digits.",
    ),
}
"""What init asks on a terminal, and what helps to answer."""

_LETTERS = "bcdfghjkmnqrvwxz"
_DIGITS = "23456789"
_OPTIONS = {
    "stores[0].host": "--host",
    "stores[0].origins": "--site",
    "stores[0].pixels[0].code": "--pixel",
}


def build_config(site: str, hosts: Sequence[str], pixel: str) -> str:
    """The text of a complete gateway.toml for one shop.

    Raises: SettingsError that names the options whose values cannot be used.
    """
    origins = list_origins(site)
    bare = re.sub(r"^\w+://(www\.)?|:\d+$", "", origins[0])
    domain = find_common_domain([bare, *hosts]) or bare
    script_path, collect_path = make_paths()
    text = _render(
        store_id=domain.partition(".")[0][:32],
        hosts=hosts,
        origins=origins,
        cookie_domain=domain,
        script_path=script_path,
        collect_path=collect_path,
        pixel=pixel,
        secret_key=secrets.token_urlsafe(48),
        token_variable=TOKEN_VARIABLE,
    )
    _check(text)
    return text


def write_config(path: Path, text: str) -> None:
    """The file holds `text` and only its owner may read it.

    Raises: CommandError when there already is a file, or none can be made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists and stays as it is: name another with --out, or move it away") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}): name another with --out") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def list_origins(site: str) -> list[str]:
    """The origins a shop's pages have: the site's own, and the bare domain when the site is at www."""
    scheme, _, rest = site.strip().lower().rpartition("://")
    first = f"{scheme or 'https'}://{re.split('[/?#]', rest)[0]}"
    return list(dict.fromkeys([first, first.replace("://www.", "://", 1)]))


def find_common_domain(names: Sequence[str]) -> str | None:
    """The longest domain that every name equals or lies under; None when that is a top-level domain or nothing."""
    common: list[str] = []
    for labels in zip(*(reversed(name.lower().split(".")) for name in names), strict=False):
        if len(set(labels)) > 1:
            break
        common.insert(0, labels[0])
    domain = ".".join(common)
    return domain if len(common) > 1 or domain in names else None


def make_paths() -> tuple[str, str]:
    """A script path and a collect path without meaning, one folder for both.

    Neither vowels nor two letters in a row: no word of a filter list can come out, nor a single-letter file name. They
    are drawn once and then stay: a path of its own keeps a shop out of rules made for others; it dodges nobody.
    Source: EasyPrivacy and uBlock Origin's lists (browsers A5, read 2026-11).
    """
    folder, script, collect = _draw(), _draw(), _draw()
    return (f"/{folder}/{script}.js", f"/{folder}/{collect}") if script != collect else make_paths()


def _draw() -> str:
    return secrets.choice(_LETTERS) + secrets.choice(_DIGITS) + secrets.choice(_LETTERS)


def _render(**values: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape(),  # HTML only; this is TOML, quoted by the filter
    )
    environment.filters["toml"] = _quote
    return environment.get_template("gateway.toml.j2").render(values)


def _quote(value: str | Sequence[str]) -> str:
    """A TOML string, or a list of them. JSON's quoting is TOML's, as long as nothing is written as a surrogate pair."""
    return json.dumps(value if isinstance(value, str) else list(value), ensure_ascii=False)


def _check(text: str) -> None:
    try:
        parse_settings(text, Path(), {TOKEN_VARIABLE: "unknown-yet"})
    except SettingsError as error:
        named = dict.fromkeys(sentence for fault in error.faults if (sentence := _name_option(fault)))
        raise SettingsError(tuple(named) or error.faults) from None


def _name_option(fault: str) -> str | None:
    """The fault as one of the option that brought it in; None for what only follows from another."""
    path, _, sentence = fault.partition(": ")
    if path == "stores[0].cookie_domain":
        return "--host: must lie under the shop's own domain, as t.acme.com lies under acme.com"
    return next((f"{option}: {sentence}" for start, option in _OPTIONS.items() if path.startswith(start)), None)
