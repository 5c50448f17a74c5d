"""No secret leaves the settings: not in their text, not in a fault."""

import tomllib
from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.settings import parse_settings
from gateway.settings.faults import list_tables
from tests.settings.samples import CONTRACT, ENV, KEY, SHOPIFY, in_table, load, with_line

SECRET = "sEcReT-vAlUe-0123456789"
"""Too short for a signing key, so that it is refused there too."""


def test_no_secret_shows_in_the_settings_text():
    text = in_table("[storage]", f'url = "postgresql://u:{SECRET}@db/x"')
    text = with_line(KEY, SECRET * 2, text).replace("[security]", f'[security]\nmetrics_token = "{SECRET}"')
    text += SHOPIFY.replace("hush", SECRET) + f'client_id = "app"\nclient_secret = "{SECRET}"\nadmin_token = "{SECRET}"'
    text = f'[alerts]\nwebhook_url = "https://hooks.io/{SECRET}"\n' + text

    settings = load(text, TIKTOK_TOKEN=SECRET)

    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())


@pytest.mark.parametrize("table", list_tables())
def test_no_fault_repeats_the_value_it_refuses(table: tuple[str, ...]):
    """Puts a secret where it does not belong, setting by setting; its shape is wrong everywhere."""
    for key in list_tables()[table]:
        tree = tomllib.loads(CONTRACT)
        inner = tree
        for name in table:
            inner = inner[name][0] if isinstance(inner[name], list) else inner[name]
        inner[key] = f"{SECRET} ?*"
        with pytest.raises(SettingsError) as caught:
            parse_settings(to_toml(tree), Path(), ENV)
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def to_toml(tree: dict) -> str:
    """The tree as one line of TOML an entry, its tables written inline."""

    def write(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {write(inner)}" for key, inner in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(write, value)) + "]"
        return f'"{value}"' if isinstance(value, str) else str(value).lower()

    return "\n".join(f"{key} = {write(value)}" for key, value in tree.items())
