"""Who gets into the dashboard: whoever knows the password, on its own hosts, from its own pages, not too often."""

from __future__ import annotations

from pathlib import Path

import pytest
from freezegun import freeze_time

from gateway.admin.access import SESSION_S, Access
from gateway.admin.sign_in import to_target
from gateway.errors import TooMany
from gateway.settings.model import SecuritySettings
from tests.admin.desk import HASH, PASSWORD, Reader, make_security, running_dashboard
from tests.servers import SECRET_KEY, make_settings, running_gateway

PAGE = "/admin/install"


async def test_the_right_password_opens_a_session_and_leads_to_the_page_that_was_wanted(stranger: Reader):
    turned_away = await stranger.get(PAGE)
    assert (turned_away.status_code, turned_away.headers["location"]) == (303, f"/admin/sign-in?next={PAGE}")
    signed_in = await stranger.sign_in(next=PAGE)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, PAGE)
    assert (await stranger.get(PAGE)).status_code == 200


async def test_the_session_cookie_is_for_the_dashboard_alone_and_for_no_script(stranger: Reader):
    cookie = (await stranger.sign_in()).headers["set-cookie"].lower()
    for said in ("path=/admin", "httponly", "samesite=lax", f"max-age={SESSION_S}"):
        assert said in cookie
    assert "secure" not in cookie


async def test_on_https_the_session_cookie_is_secure(stranger: Reader):
    answer = await stranger.post("/admin/sign-in", {"password": PASSWORD}, headers={"x-forwarded-proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "password",
    ["", "wrong", HASH, PASSWORD + " ", "x" * 10_000],
    ids=["none", "another", "the hash", "with a space", "long"],
)
async def test_a_wrong_password_opens_nothing_and_says_so(stranger: Reader, password: str):
    answer = await stranger.sign_in(password)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "That is not the password" in answer.text
    assert HASH not in answer.text


async def test_a_form_that_is_too_large_is_refused(stranger: Reader):
    assert (await stranger.sign_in("x" * 20_000)).status_code == 413


@pytest.mark.parametrize("cookie", ["", "x", "x.y.z", "é" * 10, "a" * 5_000, f"admin.{SECRET_KEY}"])
async def test_a_cookie_that_was_not_given_here_is_no_session(stranger: Reader, cookie: str):
    answer = await stranger.get(PAGE, {"cookie": f"tag_gateway_session={cookie}".encode()})
    assert answer.status_code == 303


async def test_without_a_session_a_script_is_told_401_and_no_page(stranger: Reader):
    answer = await stranger.get(PAGE, {"accept": "text/event-stream"})
    assert (answer.status_code, answer.text) == (401, "sign in first\n")


async def test_the_sign_out_ends_the_session_of_this_browser(reader: Reader):
    answer = await reader.post("/admin/sign-out")
    assert answer.headers["location"] == "/admin/sign-in"
    assert 'tag_gateway_session=""' in answer.headers["set-cookie"]
    assert "max-age=0" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("host", ["t.acme.com", "www.acme.com", "evil.example", ""])
async def test_the_dashboard_is_on_its_own_hosts_alone(reader: Reader, host: str):
    for path in ("/admin", "/admin/", PAGE, "/admin/sign-in", "/admin/static/admin.css"):
        assert (await reader.get(path, {"host": host})).status_code == 404


async def test_a_host_that_is_named_shows_the_dashboard_even_if_it_is_a_stores(tmp_path: Path):
    async with running_dashboard(tmp_path, security={"admin_hosts": ["t.acme.com"]}) as reader:
        assert (await reader.get("/admin/sign-in", {"host": "t.acme.com"})).status_code == 200
        assert (await reader.get("/admin/sign-in")).status_code == 404


async def test_without_a_password_there_is_no_dashboard(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path)) as gateway:
        assert (await Reader(gateway).get("/admin/sign-in")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "nonsense", "origin": "http://localhost"},
        {"sec-fetch-site": None, "origin": "https://evil.example"},
        {"sec-fetch-site": None, "origin": "http://localhost:8081"},
        {"sec-fetch-site": None, "origin": "null"},
        {"sec-fetch-site": None, "origin": "http://[::1"},
    ],
)
async def test_what_another_site_sends_changes_nothing(reader: Reader, headers: dict[str, str | None]):
    for path in ("/admin/sign-in", "/admin/sign-out"):
        answer = await reader.post(path, {"password": PASSWORD}, headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": None, "origin": "http://localhost"},
        {"sec-fetch-site": None, "origin": None},
    ],
)
async def test_what_the_dashboard_itself_sends_passes(stranger: Reader, headers: dict[str, str | None]):
    assert (await stranger.post("/admin/sign-in", {"password": PASSWORD}, headers)).status_code == 303


async def test_the_sixth_try_within_a_minute_is_too_many_even_with_the_right_password(stranger: Reader):
    for _ in range(5):
        assert (await stranger.sign_in("wrong")).status_code == 401
    answer = await stranger.sign_in()
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 61
    assert f"Wait {answer.headers['retry-after']} seconds" in answer.text
    elsewhere = await stranger.post("/admin/sign-in", {"password": PASSWORD}, {"x-forwarded-for": "198.51.100.9"})
    assert elsewhere.status_code == 303


async def test_tries_from_everywhere_together_are_too_many_at_some_point():
    def throttle_all(_key: str) -> None:
        raise TooMany(7)

    access = make_access(throttle_all=throttle_all)
    with pytest.raises(TooMany):
        await access.sign_in("203.0.113.1", PASSWORD)


def make_access(throttle_all=lambda _key: None, **said: object) -> Access:
    security = SecuritySettings.model_validate({"secret_keys": [SECRET_KEY], **make_security(**said)})
    return Access(security, lambda _client: None, throttle_all)


async def test_a_new_password_ends_every_session_even_if_it_is_the_same_word():
    from argon2 import PasswordHasher

    session = await make_access().sign_in("", PASSWORD)
    assert make_access().is_session(session)
    again = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    assert not make_access(admin_password_hash=again).is_session(session)


async def test_a_session_outlives_a_new_key_and_ends_with_the_old_one():
    session = await make_access().sign_in("", PASSWORD)
    newer = "b newer key of a test, 32 bytes and more"
    assert make_access(secret_keys=[newer, SECRET_KEY]).is_session(session)
    assert not make_access(secret_keys=[newer]).is_session(session)


async def test_a_session_ends_after_a_working_day():
    access = make_access()
    with freeze_time("2026-11-01 08:00:00") as clock:
        session = await access.sign_in("", PASSWORD)
        clock.tick(SESSION_S - 1)
        assert access.is_session(session)
        clock.tick(2)
        assert not access.is_session(session)


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/admin/install", "/admin/install"),
        ("", "/admin/"),
        ("//evil.example/admin/", "/admin/"),
        ("https://evil.example/admin/install", "/admin/"),
        ("/admin/../go?to=x", "/admin/"),
        ("/admin/\r\nset-cookie: x", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("/elsewhere", "/admin/"),
        ("//[", "/admin/"),
    ],
)
def test_the_sign_in_leads_to_the_dashboard_and_nowhere_else(wanted: str, target: str):
    assert to_target(wanted) == target


async def test_every_answer_is_kept_by_nobody_and_runs_nothing_of_others(reader: Reader):
    for path in (PAGE, "/admin/nothing", "/admin/sign-in", "/admin/static/nothing", "/admin/"):
        headers = (await reader.get(path)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        for said in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self';"):
            assert said in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


async def test_the_style_and_the_script_are_kept_for_good_under_the_address_that_pages_name(stranger: Reader):
    page = (await stranger.get("/admin/sign-in")).text
    for name in ("admin.css", "admin.js"):
        address = page.split(f"/admin/static/{name}")[1].split('"')[0]
        kept = await stranger.get(f"/admin/static/{name}{address}")
        assert kept.headers["cache-control"] == "max-age=31536000, immutable"
        assert (await stranger.get(f"/admin/static/{name}?v=old")).headers["cache-control"] == "no-cache"
