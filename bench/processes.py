"""The processes of a bench: started on one core, watched through /proc, ended by pid."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

HTTP = httpx.Client(trust_env=False)
"""One for all: making a client costs more than what is asked with it."""

TICKS = os.sysconf("SC_CLK_TCK")
_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = _cores[0], _cores[-1]
"""What is measured has a core for itself; whoever loads it, and all that it talks to, shares the other."""


def step_aside() -> None:
    """This process keeps to the client's core, and so do its threads from now on."""
    os.sched_setaffinity(0, {CLIENT_CORE})


class Process:
    """A child process pinned to one core."""

    def __init__(self, command: Sequence[str], core: int, log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                ["taskset", "-c", str(core), *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        self.pid = self._child.pid

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        return _read_cpu_s(self.pid)

    @property
    def rss_mb(self) -> float:
        """The memory it holds resident now."""
        return _read_mb(self.pid, "VmRSS")

    @property
    def peak_mb(self) -> float:
        """The most memory it ever held resident."""
        return _read_mb(self.pid, "VmHWM")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def wait_idle(self, timeout_s: float = 60.0) -> None:
        """Returns once it has used almost no CPU for half a second."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            before = self.cpu_s
            time.sleep(0.5)
            if self.cpu_s - before <= 0.03:
                return
        raise TimeoutError("the process never came to rest")

    def kill(self) -> None:
        """It is gone without a word."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        """It has ended."""
        self._child.terminate()
        try:
            self._child.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


@contextlib.contextmanager
def running(command: Sequence[str], core: int, url: str, log: Path) -> Iterator[Process]:
    """The process, answering at `url`."""
    process = Process(command, core, log)
    try:
        wait_for(url, process)
        yield process
    finally:
        process.stop()


def wait_for(url: str, process: Process, timeout_s: float = 30.0) -> None:
    """The process answers at `url`. Raises: RuntimeError with the end of its log when it does not."""
    until = time.monotonic() + timeout_s
    while process.is_running and time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            HTTP.get(url)
            return
        time.sleep(0.01)
    raise RuntimeError(f"nothing answers at {url}:\n{process.log.read_text()[-2000:]}")


def find_family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *(int(path.name) for path in Path("/proc").glob("[0-9]*") if _read_parent(path) == pid)]


def read_family_cpu_s(pid: int) -> float:
    """CPU seconds of a process and all its children, those that have ended included."""
    _, *children = find_family(pid)
    return _read_cpu_s(pid, and_ended=True) + sum(map(_read_cpu_s, children))


def _read_parent(folder: Path) -> int | None:
    with contextlib.suppress(OSError):
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return None


def _read_cpu_s(pid: int, *, and_ended: bool = False) -> float:
    """`and_ended`: with the children that it has waited for. Zero for a process that is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if and_ended else 13])) / TICKS
    return 0.0


def _read_mb(pid: int, name: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0
