"""What `init` writes is complete, sound, fresh each time, and for its owner's eyes."""

import re
import stat
import tomllib
from pathlib import Path

import pytest

from gateway.errors import CommandError, SettingsError
from gateway.files import TEMPLATES
from gateway.ops.init import TOKEN_VARIABLE, build_config, find_common_domain, list_origins, make_paths, write_config
from gateway.settings import Settings, parse_settings
from gateway.settings.faults import list_tables

ENV = {TOKEN_VARIABLE: "token", "SHOPIFY_WEBHOOK_SECRET": "hush"}
CODE = "C0ABCDEFGHIJKLMNOPQR"

WORDS = (
    "collect",
    "track",
    "pixel",
    "beacon",
    "event",
    "analytics",
    "stat",
    "log",
    "tag",
    "hit",
    "pageview",
    "ads",
    "data",
)
"""What filter lists look for in a path."""


def build(site: str = "https://www.acme.com", *hosts: str, pixel: str = CODE) -> str:
    return build_config(site, hosts or ("t.acme.com",), pixel)


def load(text: str) -> Settings:
    return parse_settings(text, Path("/etc/acme"), ENV)


def with_defaults_active(text: str) -> str:
    """The file after its reader took away the # before every key and table."""
    return re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)


def test_the_written_file_describes_the_shop():
    settings = load(build())
    store = settings.stores[0]

    assert (store.id, store.hosts, store.cookie_domain) == ("acme", ("t.acme.com",), "acme.com")
    assert store.origins == ("https://www.acme.com", "https://acme.com")
    assert [pixel.code for pixel in store.pixels] == [CODE]
    assert store.pixels[0].access_token.get_secret_value() == "token"


def test_every_setting_is_in_the_written_file_and_nothing_else_is():
    def tables_of(tree: dict, name: tuple[str, ...] = ()):
        yield name, set(tree)
        for key, value in tree.items():
            inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
            if isinstance(inner, dict):
                yield from tables_of(inner, (*name, key))

    written = tomllib.loads(with_defaults_active(build()))

    assert dict(tables_of(written)) == {name: set(keys) for name, keys in list_tables().items()}


def test_the_defaults_shown_are_the_defaults():
    text = build()
    shown, plain = load(with_defaults_active(text)), load(text)

    assert shown.stores[0].shopify is not None
    assert shown.model_copy(update={"stores": ()}) == plain.model_copy(update={"stores": ()})
    assert shown.stores[0].model_copy(update={"shopify": None}) == plain.stores[0]


def test_the_shopify_table_shows_the_defaults():
    minimal = with_defaults_active(build()).partition("[stores.shopify]")
    required = '\nshop = "acme.myshopify.com"\nwebhook_secrets = ["hush"]\n'

    assert load("".join(minimal)).stores[0].shopify == load(minimal[0] + minimal[1] + required).stores[0].shopify


def test_every_comment_is_told_from_a_setting_by_its_space():
    for line in (TEMPLATES / "gateway.toml.j2").read_text().splitlines():
        assert re.match(r"# |#\[?[a-z_.]+\]?( = |$)", line) or not line.startswith("#"), line


def test_each_file_has_a_fresh_key_and_paths_of_its_own():
    stores = [load(build()) for _ in range(8)]

    assert len({settings.security.secret_keys[0].get_secret_value() for settings in stores}) == 8
    assert len({(settings.stores[0].script_path, settings.stores[0].collect_path) for settings in stores}) == 8
    assert all(len(settings.security.secret_keys[0].get_secret_value()) >= 64 for settings in stores)


def test_drawn_paths_mean_nothing():
    for _ in range(300):
        script, collect = make_paths()
        assert re.fullmatch(r"/[a-z]\d[a-z]/[a-z]\d[a-z]\.js", script)
        assert re.fullmatch(r"/[a-z]\d[a-z]/[a-z]\d[a-z]", collect)
        assert script.removesuffix(".js") != collect
        assert script.split("/")[1] == collect.split("/")[1]
        assert not [word for word in WORDS if word in script + collect]


def test_a_drawn_pair_is_drawn_again_when_its_two_files_are_one(monkeypatch: pytest.MonkeyPatch):
    draws = iter(["b2b", "c3c", "c3c", "d4d", "f5f", "g6g"])
    monkeypatch.setattr("gateway.ops.init._draw", lambda: next(draws))

    assert make_paths() == ("/d4d/f5f.js", "/d4d/g6g")


@pytest.mark.parametrize(
    ("site", "origins"),
    [
        ("https://www.acme.com", ["https://www.acme.com", "https://acme.com"]),
        ("https://WWW.Acme.com/products?a=1", ["https://www.acme.com", "https://acme.com"]),
        ("www.acme.com/", ["https://www.acme.com", "https://acme.com"]),
        ("https://acme.com", ["https://acme.com"]),
        ("https://shop.acme.com", ["https://shop.acme.com"]),
        ("http://shop.localhost:3000/", ["http://shop.localhost:3000"]),
    ],
)
def test_a_site_is_taken_as_people_write_it(site: str, origins: list[str]):
    assert list_origins(site) == origins


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (["acme.com", "t.acme.com"], "acme.com"),
        (["shop.acme.com", "t.acme.com", "T.eu.Acme.com"], "acme.com"),
        (["a.shop.acme.com", "b.shop.acme.com"], "shop.acme.com"),
        (["acme.com", "acme.com"], "acme.com"),
        (["localhost", "localhost"], "localhost"),
        (["shop.localhost", "t.localhost"], None),
        (["acme.com", "other.com"], None),
        (["acme.com", "t.acme.de"], None),
    ],
)
def test_the_cookie_domain_is_what_all_names_share(names: list[str], domain: str | None):
    assert find_common_domain(names) == domain


def test_a_host_below_www_still_gets_the_shops_domain():
    assert load(build("https://www.acme.com", "t.www.acme.com")).stores[0].cookie_domain == "acme.com"


def test_several_hosts_are_a_list():
    assert load(build("https://acme.com", "t.acme.com", "u.acme.com")).stores[0].hosts == ("t.acme.com", "u.acme.com")


@pytest.mark.parametrize(
    ("site", "host", "pixel", "faults"),
    [
        ("https://www.acme.com", "t.other.com", CODE, ["--host: must lie under the shop's own domain"]),
        ("https://acme.co.uk", "t.other.co.uk", CODE, ["--host: must lie under the shop's own domain"]),
        ("https://www.acme.com", "https://t.acme.com", CODE, ["--host: must be a bare host name"]),
        ("http://www.acme.com", "t.acme.com", CODE, ["--site: must start with https://"]),
        ("https://www.acme.com", "t.acme.com", "7301234567890123456", ["--pixel: is the pixel's long numeric id"]),
        ("https://[", "t.acme.com", CODE, ["--site: must be an origin", "--host: must lie"]),
        ("https://a cme.com", 'x"\nid = 1', '"', ["--host: must be a bare", "--site: must be", "--pixel: must be"]),
    ],
)
def test_an_answer_that_cannot_be_used_is_named_by_its_option(site: str, host: str, pixel: str, faults: list[str]):
    with pytest.raises(SettingsError) as caught:
        build(site, host, pixel=pixel)

    told = caught.value.faults
    assert [any(fault.startswith(start) for fault in told) for start in faults] == [True] * len(faults)
    assert all(fault.startswith("--") for fault in told)


def test_the_file_is_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "gateway.toml"

    write_config(path, "text")

    assert path.read_text() == "text"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_file_is_never_touched(tmp_path: Path):
    path = tmp_path / "gateway.toml"
    path.write_text("mine")

    with pytest.raises(CommandError, match="exists and stays as it is"):
        write_config(path, "text")

    assert path.read_text() == "mine"


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path):
    with pytest.raises(CommandError, match=r"cannot be written \(No such file or directory\)"):
        write_config(tmp_path / "no" / "gateway.toml", "text")
