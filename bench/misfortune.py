"""What goes wrong in a soak: the gateway is killed or restarted, its disk is full, TikTok has its moods."""

from __future__ import annotations

import asyncio
import random
import re
import resource
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.processes import HTTP, SERVER_CORE, Process, wait_for
from bench.site import find_port, write_config
from gateway.demo.fake_tiktok import FakeTikTok, Mood

DISK_FULL_S = 2.0
FULL_AT_BYTES = 64 * 1024
"""No file of the gateway may be written beyond this: SQLite meets it as a disk that takes nothing more."""

MOODS = {
    "answers 500": Mood(status=500, times=3),
    "answers 200 with 40100": Mood(code=40100, times=2),
    "drops connections": Mood(drop=True, times=2),
    "takes events and drops connections": Mood(drop=True, record=True, times=2),
    "answers late": Mood(delay_s=2, times=5),
}
SLOW_MOODS = {
    "hangs": Mood(hang=True),
    "takes events and hangs": Mood(hang=True, record=True),
    "refuses the token (40001)": Mood(code=40001),
}
"""These hold a pixel back for up to a minute: only for a soak that is long enough to see the end of it."""


class Gateway:
    """One installation through all its lives.

    `life` is the number of the present one. `failures`: requests that a defect ended with a 500, as counted by itself.
    """

    def __init__(self, folder: Path, tiktok: str) -> None:
        self.port = find_port()
        self.life = 0
        self.failures = 0
        self.database = folder / "gateway.db"
        self._config = write_config(folder, self.port, tiktok)
        self.log = folder / "gateway.log"
        self.process = self._begin()

    def _begin(self) -> Process:
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self._config)]
        return Process(command, SERVER_CORE, self.log)

    async def serves(self) -> None:
        """It answers."""
        await asyncio.to_thread(wait_for, f"http://127.0.0.1:{self.port}/healthz", self.process)

    async def kill(self) -> None:
        """Killed without a word, and started again."""
        await self._live_again(self.process.kill)

    async def restart(self) -> None:
        """Stopped in order, and started again."""
        await self._live_again(self.process.stop)

    async def note_failures(self) -> None:
        """What this life has counted is in `failures`: it is asked once, at its end."""
        answer = await asyncio.to_thread(HTTP.get, f"http://127.0.0.1:{self.port}/metrics", timeout=30)
        self.failures += read_failures(answer.text)

    async def _live_again(self, end: Callable[[], None]) -> None:
        await self.note_failures()
        await asyncio.to_thread(end)
        self.life += 1
        self.process = self._begin()
        await self.serves()

    async def fill_disk(self) -> None:
        """For a while its database could not be written."""
        _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (FULL_AT_BYTES, most))
        await asyncio.sleep(DISK_FULL_S)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, most))


def read_failures(metrics: str) -> int:
    """How many requests a defect has ended with a 500, as `/metrics` tells."""
    return int(float(re.findall(r"(?m)^tag_gateway_failures_total (.+)$", metrics)[0]))


def find_defects(log: str) -> list[str]:
    """The lines of a gateway's log that tell of an exception which nobody had expected."""
    return [line for line in log.splitlines() if '"exception": ' in line or line.startswith("Traceback")]


class Misfortune:
    """Strikes at random moments. `struck` counts what happened."""

    def __init__(self, gateway: Gateway, tiktok: FakeTikTok, chance: random.Random, *, is_long: bool) -> None:
        self.struck: Counter[str] = Counter()
        self._gateway = gateway
        self._tiktok = tiktok
        self._chance = chance
        self._moods = MOODS | (SLOW_MOODS if is_long else {})

    async def strike_until(self, until_s: float, every_s: float, *, deadly: bool) -> None:
        """At least one misfortune, and one about every so many seconds until then, of the deadly kind too if told so.

        Units: `until_s` is of the loop's clock.
        """
        is_over = False
        while not is_over:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * every_s)
            name, strike = self._choose(deadly=deadly)
            self.struck[name] += 1
            await strike()
            is_over = asyncio.get_running_loop().time() >= until_s

    def _choose(self, *, deadly: bool) -> tuple[str, Callable[[], Awaitable[None]]]:
        choices: dict[str, Callable[[], Awaitable[None]]] = {"the disk is full": self._gateway.fill_disk}
        if deadly:
            choices |= {"the gateway is killed": self._gateway.kill, "the gateway is restarted": self._gateway.restart}
        if self._chance.random() < 0.5:
            return self._chance.choice(list(choices.items()))
        name, mood = self._chance.choice(list(self._moods.items()))
        return f"TikTok {name}", lambda: self._change_mood(mood)

    async def _change_mood(self, mood: Mood) -> None:
        self._tiktok.moods.add(mood)
