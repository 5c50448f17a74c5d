"""A sound file becomes settings; one that cannot be read becomes a sentence."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.errors import SettingsError
from gateway.settings import StorageSettings, load_settings
from gateway.settings.faults import list_tables
from tests.settings.samples import CONTRACT, ENV, MINIMAL, SHOPIFY, in_table, load, with_line


def test_the_contracts_example_says_what_the_defaults_say():
    full, minimal = load(CONTRACT), load(MINIMAL + SHOPIFY)

    assert full.model_dump(exclude={"security"}) == minimal.model_dump(exclude={"security"})
    assert full.security.admin_hosts == minimal.security.admin_hosts


def test_the_contracts_example_names_every_key_there_is():
    def tables_of(tree: dict, name: tuple[str, ...] = ()):
        yield name, set(tree)
        for key, value in tree.items():
            inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
            if isinstance(inner, dict):
                yield from tables_of(inner, (*name, key))

    assert dict(tables_of(tomllib.loads(CONTRACT))) == {name: set(keys) for name, keys in list_tables().items()}


def test_every_setting_is_described():
    tables = {name for name in list_tables() if name}
    undescribed = [(table, key) for table, keys in list_tables().items() for key, text in keys.items() if not text]

    assert all((*table, key) in tables for table, key in undescribed), undescribed


def test_a_variable_fills_a_whole_value():
    settings = load(MINIMAL)

    assert settings.stores[0].pixels[0].access_token.get_secret_value() == "tok-123"


def test_numbers_flags_and_lists_can_come_from_the_environment():
    text = in_table("[server]", 'port = "${PORT}"').replace('id = "acme"', 'id = "acme"\nmint_ttp = "${MINT}"')
    text = with_line('["https://www.acme.com", "https://acme.com"]', '"${ORIGINS}"', text)

    settings = load(text, PORT="9000", MINT="true", ORIGINS="https://www.acme.com, https://acme.com")

    assert settings.server.port == 9000
    assert settings.stores[0].mint_ttp is True
    assert settings.stores[0].origins == ("https://www.acme.com", "https://acme.com")


def test_a_relative_database_lies_beside_the_file(tmp_path: Path):
    path = tmp_path / "gateway.toml"
    path.write_text(MINIMAL)

    settings = load_settings(path, ENV)

    assert settings.storage.url.get_secret_value() == f"sqlite:///{tmp_path}/data/gateway.db"


@pytest.mark.parametrize(
    ("url", "anchored"),
    [
        ("sqlite:///gateway.db?timeout=5", "sqlite:////etc/acme/gateway.db?timeout=5"),
        ("sqlite:////var/lib/gateway.db", "sqlite:////var/lib/gateway.db"),
        ("postgresql://user:pass@db/gateway", "postgresql://user:pass@db/gateway"),
    ],
)
def test_only_relative_paths_are_moved(url: str, anchored: str):
    assert load(in_table("[storage]", f'url = "{url}"')).storage.url.get_secret_value() == anchored


def test_sqlite_is_told_from_postgresql():
    assert StorageSettings().is_sqlite
    assert not load(in_table("[storage]", 'url = "postgresql://db/gateway"')).storage.is_sqlite


def test_names_are_kept_in_lower_case():
    store = load(with_line('"t.acme.com"', '"T.Acme.com"')).stores[0]

    assert store.hosts == ("t.acme.com",)


def test_a_store_without_shopify_table_may_still_take_consent_from_shopify():
    store = load(MINIMAL).stores[0]

    assert store.consent == "shopify"
    assert store.shopify is None


def test_the_admin_api_answers_at_the_shop_unless_the_file_says_otherwise():
    assert load(MINIMAL + SHOPIFY).stores[0].shopify.api_base == "https://acme.myshopify.com"
    moved = load(MINIMAL + SHOPIFY + 'api_base = "http://127.0.0.1:9/"').stores[0].shopify
    assert moved.api_base == "http://127.0.0.1:9"


def test_a_test_code_applies_until_its_time():
    line = 'test_event_code = "TEST1"\ntest_event_code_until = "2026-12-31T18:00:00+01:00"'
    pixel = load(in_table("[[stores.pixels]]", line)).stores[0].pixels[0]
    until = datetime(2026, 12, 31, 17, tzinfo=UTC)

    assert pixel.test_event_code_until == until
    assert pixel.test_code_at(until - timedelta(seconds=1)) == "TEST1"
    assert pixel.test_code_at(until) is None


def test_a_pixel_takes_the_events_it_lists_and_all_when_it_lists_none():
    assert load(MINIMAL).stores[0].pixels[0].takes("Search")
    pixel = load(in_table("[[stores.pixels]]", 'events = ["Purchase"]')).stores[0].pixels[0]
    assert pixel.takes("Purchase")
    assert not pixel.takes("Search")


def test_tomls_own_times_are_times():
    line = 'test_event_code = "TEST1"\ntest_event_code_until = 2026-12-31T18:00:00Z'

    pixel = load(in_table("[[stores.pixels]]", line)).stores[0].pixels[0]

    assert pixel.test_event_code_until == datetime(2026, 12, 31, 18, tzinfo=UTC)


def test_settings_never_change():
    with pytest.raises(ValidationError):
        load(MINIMAL).server.port = 1


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError) as caught:
        load_settings(Path("gateway.toml"), {})

    assert caught.value.faults == ("gateway.toml not found: run tag-gateway init, or name it with --config",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[server]\nport = = 1\n", r"gateway\.toml is not valid TOML: .*line 2.*"),
        (b"[server]\nport = \xff\n", r"gateway\.toml is not UTF-8 text: save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_one_sentence(tmp_path: Path, content: bytes, sentence: str):
    path = tmp_path / "gateway.toml"
    path.write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})

    (fault,) = caught.value.faults
    assert re.fullmatch(f".*{sentence}", fault)


def test_a_folder_is_no_configuration(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path, {})
