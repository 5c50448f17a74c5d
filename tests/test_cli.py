"""Each command says what it did, or one readable line with what to do; the exit code tells which."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher

from gateway.cli import app, main
from gateway.errors import CommandError, StoreLocked
from gateway.settings import Settings

INIT = ["init", "--site", "https://www.acme.com", "--host", "t.acme.com", "--pixel", "C0ABCDEFGHIJKLMNOPQR"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, no configuration named, the token set, nobody at the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    monkeypatch.setenv("TIKTOK_ACCESS_TOKEN", "token")
    monkeypatch.setattr("sys.stdin", StringIO())
    return tmp_path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, bool]]:
    """What `serve` handed to the application."""
    calls: list[tuple[Settings, bool]] = []

    def run_server(settings: Settings, *, deliver: bool = True) -> None:
        calls.append((settings, deliver))

    monkeypatch.setitem(sys.modules, "gateway.app", SimpleNamespace(run_server=run_server))
    return calls


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# -- init and check


def test_what_init_writes_passes_check(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(INIT) == 0
    assert capsys.readouterr().out.startswith("Wrote gateway.toml. Next: export TIKTOK_ACCESS_TOKEN")
    assert main(["check"]) == 0
    assert capsys.readouterr().out == (
        "acme: t.acme.com for https://www.acme.com, https://acme.com, pixel C0ABCDEFGHIJKLMNOPQR: ok\n"
        "acme: without [stores.shopify], orders are heard of from browsers alone\n"
        "Next: tag-gateway serve, with TLS in front; tag-gateway install tells what to paste where\n"
    )


def test_init_off_a_terminal_names_all_that_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["init", "--host", "t.acme.com"]) == 2
    assert capsys.readouterr().err == ("init needs --site, --pixel: add it, or run init on a terminal to be asked\n")
    assert not (folder / "gateway.toml").exists()


def test_init_never_overwrites(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "mine.toml").write_text("mine")

    assert main([*INIT, "--out", "mine.toml"]) == 2
    assert capsys.readouterr().err == (
        "mine.toml exists and stays as it is: name another with --out, or move it away\n"
    )
    assert (folder / "mine.toml").read_text() == "mine"


def test_init_writes_nothing_when_an_answer_cannot_be_used(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*INIT[:-1], "7301234567890123456"]) == 2
    assert capsys.readouterr().err.startswith("--pixel: is the pixel's long numeric id")
    assert not (folder / "gateway.toml").exists()


def test_check_tells_every_fault_on_a_line_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    main(INIT)
    edit(folder / "gateway.toml", "port = 8080", "prot = 8080")
    monkeypatch.delenv("TIKTOK_ACCESS_TOKEN")
    capsys.readouterr()

    assert main(["check"]) == 2
    assert capsys.readouterr() == (
        "",
        "stores[0].pixels[0].access_token: ${TIKTOK_ACCESS_TOKEN} is not set; export it before starting\n"
        "server.prot: unknown key; did you mean port?\n",
    )


def test_a_missing_file_says_how_to_get_one(capsys: pytest.CaptureFixture[str]):
    assert main(["check"]) == 2
    assert capsys.readouterr().err == "gateway.toml not found: run tag-gateway init, or name it with --config\n"


def test_the_environment_may_name_the_file_and_the_option_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    main([*INIT, "--out", "other.toml"])
    monkeypatch.setenv("GATEWAY_CONFIG", "other.toml")

    assert main(["check"]) == 0
    assert main(["check", "--config", "third.toml"]) == 2
    assert "third.toml not found" in capsys.readouterr().err


# -- serve and demo


def test_serve_runs_one_delivering_process(served: list[tuple[Settings, bool]]):
    main(INIT)

    assert main(["serve"]) == 0
    ((settings, deliver),) = served
    assert settings.stores[0].hosts == ("t.acme.com",)
    assert deliver is True


def test_serve_can_leave_delivery_to_others(served: list[tuple[Settings, bool]]):
    main(INIT)

    assert main(["serve", "--no-deliver"]) == 0
    assert served[0][1] is False


def test_more_workers_need_postgresql(
    folder: Path,
    served: list[tuple[Settings, bool]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    main(INIT)
    capsys.readouterr()

    assert main(["serve", "--workers", "2"]) == 2
    assert capsys.readouterr().err == (
        "--workers 2 needs PostgreSQL, as one process alone may write to SQLite: set storage.url\n"
    )
    assert served == []

    edit(folder / "gateway.toml", "sqlite:///data/gateway.db", "postgresql://db/gateway")
    workers: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        "gateway.cli.workers.run_workers",
        lambda _settings, _config, count, *, deliver: workers.append((count, deliver)),
    )
    assert main(["serve", "--workers", "2", "--no-deliver"]) == 0
    assert (workers, served) == ([(2, False)], [])


@pytest.mark.parametrize(("error", "code"), [(StoreLocked("in use"), 1), (CommandError("in use"), 2)])
def test_what_ends_a_command_is_one_line(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def run_server(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "gateway.app", SimpleNamespace(run_server=run_server))
    main(INIT)
    capsys.readouterr()

    assert main(["serve"]) == code
    assert capsys.readouterr().err == "in use\n"


def test_the_exit_code_of_demo_is_what_it_found(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[bool, int | None]] = []

    def run_demo(once: bool, port: int | None) -> int:
        asked.append((once, port))
        return 0 if port else 1

    monkeypatch.setitem(sys.modules, "gateway.demo.run", SimpleNamespace(run_demo=run_demo))

    assert main(["demo", "--once"]) == 1
    assert main(["demo", "--port", "8000"]) == 0
    assert asked == [(True, None), (False, 8000)]


def test_ctrl_c_ends_a_command_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run_demo(once: bool, port: int | None) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "gateway.demo.run", SimpleNamespace(run_demo=run_demo))

    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


# -- install, reconcile and erase


def test_install_prints_what_to_paste_where(capsys: pytest.CaptureFixture[str]):
    main(INIT)
    capsys.readouterr()

    assert main(["install"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("== acme ==\n\n1. ")
    for told in ("theme.liquid", "https://t.acme.com/webhooks/shopify", "https://t.acme.com/go?to=", "orders/paid"):
        assert told in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["install"],
        ["doctor"],
        ["test-event", "--code", "TEST123"],
        ["reconcile", "--since", "1d"],
        ["erase", "--email", "ada@example.com"],
    ],
)
def test_a_store_that_is_not_there_is_told_with_those_that_are(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
):
    main(INIT)
    capsys.readouterr()

    assert main([*arguments, "--store", "beta"]) == 2
    assert capsys.readouterr().err == "there is no store beta: it is one of acme\n"
    assert not (folder / "data").exists()


def test_reconcile_needs_to_be_let_in_by_shopify(capsys: pytest.CaptureFixture[str]):
    main(INIT)
    capsys.readouterr()

    assert main(["reconcile"]) == 2
    assert capsys.readouterr() == (
        "",
        "Shopify shows orders to apps alone: set client_id and client_secret, or admin_token, in [stores.shopify]\n",
    )


def test_reconcile_says_how_to_write_a_time(capsys: pytest.CaptureFixture[str]):
    assert main(["reconcile", "--since", "yesterday"]) == 2
    assert "--since" in capsys.readouterr().err


def test_erase_needs_to_know_whom(capsys: pytest.CaptureFixture[str]):
    assert main(["erase"]) == 2
    assert capsys.readouterr().err == "whom? Name them with --email, --phone, --customer or --visitor\n"


def test_erase_asks_before_anything_else_who_is_meant(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["erase", "--phone", "030 123456"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("--phone: write it with its country code")
    assert "030" not in told


def test_erase_works_on_an_empty_database(capsys: pytest.CaptureFixture[str]):
    main(INIT)
    capsys.readouterr()

    assert main(["erase", "--email", "ada@example.com"]) == 0
    assert capsys.readouterr() == ("acme: nothing is known of this person\n", "")


# -- usage


@pytest.mark.parametrize(
    "arguments", [["serve", "--prot", "1"], ["sreve"], ["serve", "--workers", "0"], ["check", "x"]]
)
def test_wrong_usage_is_one_line_and_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "--help" in told.err


def test_no_command_shows_the_commands(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize("command", [one.name or one.callback.__name__ for one in app.registered_commands])
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    assert main([command, "--help"]) == 0
    assert f"Usage: tag-gateway {command}" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip().count(".") == 2


# -- password, and a person at a terminal


def test_password_reads_a_line_and_prints_its_hash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.stdin", StringIO("open sesame\nnext line\n"))

    assert main(["password"]) == 0
    assert PasswordHasher().verify(capsys.readouterr().out.strip(), "open sesame")


def test_an_empty_password_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["password"]) == 2
    assert capsys.readouterr().err == "no password given: type one, or pipe it in as one line\n"


class Terminal:
    """A person's terminal with one command in it."""

    def __init__(self, *arguments: str) -> None:
        self._screen, inner = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C reaches it
        )
        os.close(inner)
        self.shown = ""

    def answer(self, question: str, text: str) -> None:
        """Waits for the question, then types."""
        start = len(self.shown)
        while question not in self.shown[start:]:
            self._read()
        os.write(self._screen, text.encode())

    def interrupt(self, question: str) -> None:
        """Waits for the question and presses Ctrl-C until the command ends: input() may lose one at its start."""
        self.answer(question, "\x03")
        for _ in range(20):
            try:
                self._process.wait(1)
                return
            except subprocess.TimeoutExpired:
                os.write(self._screen, b"\x03")

    def wait(self) -> int:
        """Reads to the end; the exit code."""
        while True:
            try:
                self._read()
            except OSError:  # Linux says so when the other end is closed
                return self._process.wait(timeout=60)

    def _read(self) -> None:
        assert select.select([self._screen], [], [], 60)[0], f"nothing more came after: {self.shown}"
        self.shown += os.read(self._screen, 1024).decode()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)


@pytest.fixture
def terminal() -> Iterator[type[Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_init_asks_for_what_is_missing_on_a_terminal(folder: Path, terminal: type[Terminal]):
    screen = terminal("init", "--host", "t.acme.com")
    screen.answer("The shop's address", "www.acme.com\n")
    screen.answer("The Pixel Code", "C0ABCDEFGHIJKLMNOPQR\n")

    assert screen.wait() == 0
    assert "Where customers shop" in screen.shown
    assert "TikTok Ads Manager > Tools > Events Manager > your pixel shows it" in screen.shown
    assert "A free name below the shop's domain" not in screen.shown
    assert 'origins = ["https://www.acme.com", "https://acme.com"]' in (folder / "gateway.toml").read_text()


def test_init_asks_again_for_what_cannot_be_used(folder: Path, terminal: type[Terminal]):
    screen = terminal("init", "--site", "https://www.acme.com")
    screen.answer("The gateway's own name", "t.other.com\n")
    screen.answer("The Pixel Code", "7301234567890123456\n")
    screen.answer("The gateway's own name", "t.acme.com\n")
    screen.answer("The Pixel Code", "C0ABCDEFGHIJKLMNOPQR\n")

    assert screen.wait() == 0
    assert "--pixel: is the pixel's long numeric id" in screen.shown
    assert 'host = "t.acme.com"' in (folder / "gateway.toml").read_text()


def test_password_asks_twice_and_shows_nothing(terminal: type[Terminal]):
    screen = terminal("password")
    screen.answer("Dashboard password: ", "open sesame\n")
    screen.answer("Once more: ", "open sesame\n")

    assert screen.wait() == 0
    assert "sesame" not in screen.shown
    assert PasswordHasher().verify(screen.shown.split()[-1], "open sesame")


def test_ctrl_c_at_a_question_ends_quietly(terminal: type[Terminal]):
    screen = terminal("init")
    screen.interrupt("The shop's address")

    assert screen.wait() == 130
    assert "Traceback" not in screen.shown
