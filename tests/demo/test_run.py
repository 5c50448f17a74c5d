"""`tag-gateway demo`: the whole product on loopback, judged by TikTok's stand-in, stopped by Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo import run, stage, webhooks
from gateway.demo.fake_tiktok import FakeTikTok, Mood, Recorded
from gateway.demo.run import run_demo
from gateway.demo.webhooks import Dispatch
from gateway.errors import CommandError

COMMAND = (sys.executable, "-m", "gateway", "demo")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo's temporary folder is made, and must be gone again."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_once_exits_0_after_showing_every_events_way(temporary: Path):
    done = subprocess.run([*COMMAND, "--once", "--port", "0"], capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    for line in (
        r"Ada +→ gateway +ad click +302 to /products/morning-mug",
        r"Ada +→ gateway +Purchase +200 stored +custom pixel",
        r"shop +→ gateway +orders/paid +200 heard +#1001 purchase_\d+",
        r"Ada +→ TikTok +Purchase +accepted +ttclid ✓  ttp ✓  email ✓  ip ✓  ua ✓",
        r"Ben +→ TikTok +Pageview +accepted +ttclid ✓  ttp ·  email ·  ip ✓  ua ✓",
        r"Cleo +→ gateway +ViewContent +204 dropped: consent",
        r"Ada +Purchase +purchase_\d+ +custom pixel, orders/paid twice +✓ +stored +accepted +ttclid ttp email ip ua",
        r"Ben +Purchase +purchase_\d+ +orders/paid twice +✓ +heard +accepted +ttclid email ip ua",
        r"Ada +InitiateCheckout +…\S+ +snippet +· +stored, waits +· +·",
        r"Ada +InitiateCheckout +checkout_\S+ +custom pixel, checkouts/create +✓ +stored +accepted",
        r"Ben +InitiateCheckout +…\S+ +snippet, Pixel blocked +· +stored, waits +· +·",
        r"Ben +InitiateCheckout +checkout_\S+ +checkouts/create +✓ +heard +accepted",
        r"Dan +InitiateCheckout +checkout_\S+ +custom pixel, checkouts/create +✓ +stored +accepted",
        r"Cleo +Purchase +purchase_\d+ +orders/paid twice +· +heard +· +·",
        r"TikTok accepted exactly the \d+ events it should",
        r"Cleo refused: no cookie, nothing of hers stored, nothing sent",
    ):
        assert re.search(line, done.stdout), line
    assert not list(temporary.iterdir())


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks come at once, and nobody is patient."""
    monkeypatch.setattr(run, "PATIENCE_S", 1.0)
    monkeypatch.setattr(run, "QUIET_S", 0.5)
    for name in ("AFTER_CHECKOUT", "AFTER_ORDER"):
        monkeypatch.setattr(webhooks, name, tuple(Dispatch(one.topic, 0.05) for one in getattr(webhooks, name)))


class Forgetful(FakeTikTok):
    """A TikTok that says OK to a Purchase and forgets it."""

    @property
    def records(self) -> list[Recorded]:
        return [record for record in super().records if record.key[1] != "Purchase"]


class Unkind(FakeTikTok):
    """A TikTok that takes nothing."""

    def __init__(self, pixels: dict[str, str | None]) -> None:
        super().__init__(pixels)
        self.moods.add(Mood(code=40002, message="Batch.0.event: No", times=None))


@pytest.mark.parametrize(
    ("tiktok", "line"),
    [
        (Forgetful, r"differs: Ada's Purchase purchase_\d+ was not accepted"),
        (Unkind, r"TikTok +ViewContent +refused: 40002 Batch.0.event: No"),
    ],
)
@pytest.mark.usefixtures("hurry")
def test_once_exits_1_and_says_what_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiktok: type[FakeTikTok], line: str
):
    monkeypatch.setattr(stage, "FakeTikTok", tiktok)

    assert run_demo(once=True, port=0) == 1
    told = capsys.readouterr().out
    assert re.search(line, told)
    assert "is not as it should be" in told


@pytest.mark.usefixtures("hurry")
def test_once_exits_1_when_a_refuser_leaves_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stores_at_once = stage._CONFIG.replace("[[stores]]", "[[stores]]\ngo_without_consent = true")
    monkeypatch.setattr(stage, "_CONFIG", stores_at_once)

    assert run_demo(once=True, port=0) == 1
    assert "holds what a visitor who refused had said" in capsys.readouterr().out


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def test_a_port_that_is_taken_is_one_sentence_and_exit_2(taken_port: int):
    done = subprocess.run([*COMMAND, "--once", "--port", str(taken_port)], capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"port {taken_port} is taken: name another with --port, or leave it out\n"


def test_the_default_port_gives_way_to_a_free_one(taken_port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stage, "DEFAULT_PORT", taken_port)
    with stage.take_port(None) as sock:
        assert sock.getsockname()[1] != taken_port
    with pytest.raises(CommandError):
        stage.take_port(taken_port)


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_it_serves_until_ctrl_c_and_leaves_nothing(temporary: Path):
    with subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C stops it" in line:
                break
        process.send_signal(signal.SIGINT)
        rest, faults = process.stdout.read(), process.stderr.read()

    assert re.search(r"store +http://www\.acme\.localhost:\d+\n", told)
    assert "Stopping" in rest
    assert (process.returncode, faults) == (0, "")
    assert not list(temporary.iterdir())
