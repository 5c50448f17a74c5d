"""The processes of a bench: started on one core, watched through /proc, ended by pid."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A child process pinned to one core."""

    def __init__(self, command: Sequence[str], core: int, log: Path) -> None:
        self._log = log.open("wb")
        self._child = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdout=self._log, stderr=subprocess.STDOUT
        )

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def peak_mb(self) -> float:
        """The most memory it ever held resident."""
        for line in Path(f"/proc/{self._child.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def wait_idle(self, timeout_s: float = 60.0) -> None:
        """Returns once it has used almost no CPU for half a second."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            before = self.cpu_s
            time.sleep(0.5)
            if self.cpu_s - before <= 0.03:
                return
        raise TimeoutError("the process never came to rest")

    def stop(self) -> None:
        """It has ended."""
        self._child.terminate()
        try:
            self._child.wait(15)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._log.close()


@contextlib.contextmanager
def running(command: Sequence[str], core: int, url: str, log: Path) -> Iterator[Process]:
    """The process, answering at `url`."""
    process = Process(command, core, log)
    try:
        _wait_for(url, log)
        yield process
    finally:
        process.stop()


def _wait_for(url: str, log: Path) -> None:
    for _ in range(200):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers at {url}:\n{log.read_text()}")
