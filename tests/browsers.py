"""`python -m tests.browsers`: makes sure that there is a Chromium for the browser tests, and says which.

Run by `make test` before pytest; tests/browser/conftest.py asks `find_chromium` for the same one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 600


def find_chromium() -> str | None:
    """The path of a Chromium that starts: the machine's own, else the one that Playwright has downloaded."""
    candidates = [shutil.which(name) for name in NAMES] + [_playwright_path()]
    return next((path for path in candidates if path and _starts(path)), None)


def install_chromium() -> str | None:
    """The path of a Chromium, installed if there was none: by Playwright, else by apt when we are root."""
    return _installed_by([sys.executable, "-m", "playwright", "install", "chromium"]) or (
        _installed_by(["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"])
        if _is_apt_ours()
        else None
    )


def _installed_by(*commands: list[str]) -> str | None:
    """Both ways fail in many ways, on machines without a network in the slowest one; only the result counts."""
    for command in commands:
        sys.stdout.write(f"browsers: {' '.join(command)}\n")
        sys.stdout.flush()
        if not _succeeds(lambda command=command: subprocess.run(command, timeout=PATIENCE_S).returncode):
            return None
    return find_chromium()


def _is_apt_ours() -> bool:
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _playwright_path() -> str:
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _starts(path: str) -> bool:
    """A file alone proves nothing: a downloaded browser may lack its system libraries."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return _succeeds(lambda: subprocess.run([path, "--version"], timeout=30, **quiet).returncode)


def _succeeds(run: Callable[[], int]) -> bool:
    try:
        return run() == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def main() -> int:
    """0 with a Chromium; 2 and what to do without one."""
    path = find_chromium() or install_chromium()
    if path is None:
        sys.stderr.write(
            "browsers: no Chromium and none could be installed; install your system's chromium package "
            "(Debian: apt-get install chromium) and run make test again\n"
        )
        return 2
    sys.stdout.write(f"browsers: using {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
