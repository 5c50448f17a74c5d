"""`make demo`: three shoppers on a stage, a verdict, and then the stage is yours until Ctrl-C.

Called by `gateway.cli`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gateway.demo.report import Report, build_console
from gateway.demo.script import CAST, CLEO, play
from gateway.demo.shopper import Shopper
from gateway.demo.stage import HOLD_S, Stage, open_stage, take_port
from gateway.demo.verdict import Expected, find_differences, find_traces

PATIENCE_S = HOLD_S + 30.0
"""How long after the last webhook everything must have arrived."""

QUIET_S = HOLD_S + 0.7
"""How long to listen for what should not come at all: longer than the gateway holds a Purchase and fills a batch."""

PACE_S = 0.5
"""Between a shopper's steps, when somebody watches."""


def run_demo(once: bool, port: int | None) -> int:
    """The exit code: with `once` 0 if TikTok accepted exactly what it should have, else 1; without, 0 after Ctrl-C.

    Stopped before that, it is 130. Raises: CommandError when the port cannot be had.
    """
    try:
        return asyncio.run(_run(once, port))
    except asyncio.CancelledError:
        return 130


async def _run(once: bool, port: int | None) -> int:
    heed_signals()
    console = build_console()
    report = Report(console, {persona.ip: persona.name for persona in CAST})
    with take_port(port) as sock, tempfile.TemporaryDirectory(prefix="tag-gateway-demo-") as folder:
        async with open_stage(sock, Path(folder), report.on_gateway, report.on_tiktok) as stage:
            introduce(report, stage)
            is_good = await perform(stage, report, 0 if once or not console.is_terminal else PACE_S)
            if once:
                return 0 if is_good else 1
            invite(report, stage)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            report.note("\nStopping; what the gateway has stored goes with it.")
    return 0


def heed_signals() -> None:
    """Ctrl-C and SIGTERM end this task in order, also where a shell has told background commands to ignore Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - called from a coroutine
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends it as a KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def perform(stage: Stage, report: Report, pace_s: float) -> bool:
    """The shoppers have shopped, the shop and TikTok have heard of it, and the verdict is shown; whether it is good."""
    shoppers = await play(stage.site, report.say, lambda: asyncio.sleep(pace_s))
    expected = [one for shopper in shoppers for one in shopper.expected]
    await stage.courier.wait()
    await wait_for_tiktok(stage, expected)
    differences = find_differences(expected, stage.tiktok.records)
    differences += find_trouble(stage, next(one for one in shoppers if one.name == CLEO.name))
    report.summarize(expected, differences, to_sentence(expected, differences))
    return not differences


async def wait_for_tiktok(stage: Stage, expected: Sequence[Expected]) -> None:
    """TikTok has accepted all that was expected and anything else on the way; or patience is at its end."""
    wanted = {one.key for one in expected}
    with contextlib.suppress(TimeoutError):
        await stage.tiktok.until(lambda: wanted <= {record.key[1:] for record in stage.tiktok.records}, PATIENCE_S)
    await asyncio.sleep(QUIET_S)


def find_trouble(stage: Stage, refuser: Shopper) -> list[str]:
    """A sentence for each trace of somebody who refused."""
    cookies = [f"{refuser.name} refused and was given the cookie {name}" for name in refuser.traces]
    return cookies + find_traces(stage.folder, refuser.marks)


def to_sentence(expected: Sequence[Expected], differences: Sequence[str]) -> str:
    """What it all comes to."""
    if differences:
        return f"{len(differences)} of it is not as it should be."
    return (
        f"TikTok accepted exactly the {len(expected)} events it should, each once, with its click id, address and "
        f"browser. {CLEO.name} refused: no cookie, nothing of hers stored, nothing sent."
    )


def introduce(report: Report, stage: Stage) -> None:
    """Who will be seen, and where."""
    report.note(f"The demo store is at {stage.site.store_url}, its gateway at {stage.site.gateway_url}.", "bold")
    for persona in CAST:
        report.note(f"  {persona.name:<5} {persona.about}", "dim")
    report.note("")


def invite(report: Report, stage: Stage) -> None:
    """Where to go on by yourself."""
    site = stage.site
    report.note("\nNow you. Every event of yours is shown here on its way to TikTok's stand-in.", "bold")
    report.note(f"  store             {site.store_url}")
    report.note(f"  an ad to click    {site.gateway_url}/go?to=/products/morning-mug&ttclid=E.C.P.demo-click")
    report.note(f"  without a Pixel   {site.store_url}/?pixel=blocked")
    report.note(f"  dashboard         {site.admin_url}  (password: {stage.password})")
    report.note("Ctrl-C stops it.\n", "dim")
