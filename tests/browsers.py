"""`python -m tests.browsers`: makes sure that the browsers are here that the tests need, and says which.

Run by `make test` before pytest. Without a Chromium there is no testing: tests/browser/conftest.py asks `find_chromium`
for the same one. Firefox and WebKit are Debian's packages: tests/engines/conftest.py asks `find_lack` whether they, and
what they need, are here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 600

SWITCHED_OFF = (
    *("AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync", "AimEnabled"),
    *("BlockOriginHeaderModificationOnRedirect", "DestroyProfileOnBrowserClose", "DialMediaRouteProvider"),
    *("GlobalMediaControls", "HttpsUpgrades", "LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying"),
    *("OptimizationHints", "PaintHolding", "ThirdPartyStoragePartitioning", "Translate"),
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
)
"""The last two are pages that every new window loads for an address bar that nobody sees, half of a test's cost. The
others Playwright switches off: Chromium heeds one list, the last."""

FIREFOX = Path("/usr/bin/firefox-esr")
SYSTEM_PYTHON = Path("/usr/bin/python3")
UBLOCK = Path("/usr/share/mozilla/extensions/{ec8030f7-c20a-464f-9b0e-13a3a9e97384}/uBlock0@raymondhill.net")

NEEDS = {
    "namespace": ("iproute2",),
    "lists": ("webext-ublock-origin-firefox",),
    "firefox": ("firefox-esr", "webext-ublock-origin-firefox"),
    "webkit": ("python3-gi", "gir1.2-webkit2-4.1", "xvfb", "xauth"),
}
"""What the tests of engines ask for by name (a network of their own, filter lists, a browser), as Debian's packages."""

_UPDATE = ["apt-get", "update"]
_INSTALL = ["apt-get", "install", "-y", "--no-install-recommends"]


def find_chromium() -> str | None:
    """The path of a Chromium that starts: the machine's own, else the one that Playwright has downloaded.

    A file alone proves nothing: a downloaded browser may lack its system libraries.
    """
    candidates = [shutil.which(name) for name in NAMES] + [_playwright_path()]
    return next((path for path in candidates if path and _succeeds([path, "--version"])), None)


def install_chromium() -> str | None:
    """The path of a Chromium, installed if there was none: by Playwright, else by apt when we are root."""
    _have_run([sys.executable, "-m", "playwright", "install", "chromium"])
    path = find_chromium()
    if path is None and _is_apt_ours():
        _have_run(_UPDATE, [*_INSTALL, "chromium"])
        path = find_chromium()
    return path


def find_lack(need: str) -> str | None:
    """Why there is no testing with this; None when there is nothing to stop it."""
    if missing := find_missing(NEEDS[need]):
        return f"no {need} here: install Debian's packages {' '.join(missing)}, or run make test as root"
    if need == "namespace" and not _succeeds(["unshare", "--net", "--mount", "true"]):
        return "no namespace here: only root may make a private network, and in some containers not even root"
    return None


def find_missing(packages: Iterable[str]) -> list[str]:
    """Those of Debian's packages that are not installed; all of them where there is no Debian."""
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Package}\n", *packages]
    try:
        known = subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
    except OSError:
        known = []
    return [package for package in packages if f"ii {package}" not in known]


def install_engines() -> None:
    """All packages are installed, if this is a Debian and we are root."""
    missing = find_missing(dict.fromkeys(package for packages in NEEDS.values() for package in packages))
    if missing and _is_apt_ours():
        _have_run(_UPDATE, [*_INSTALL, *missing])


def _have_run(*commands: list[str]) -> bool:
    """All have succeeded. They fail in many ways, on machines without a network in the slowest one."""
    for command in commands:
        sys.stdout.write(f"browsers: {' '.join(command)}\n")
        sys.stdout.flush()
        if not _succeeds(command, PATIENCE_S, is_shown=True):
            return False
    return True


def _is_apt_ours() -> bool:
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _playwright_path() -> str:
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _succeeds(command: list[str], timeout_s: float = 30, *, is_shown: bool = False) -> bool:
    try:
        return subprocess.run(command, timeout=timeout_s, capture_output=not is_shown).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def main() -> int:
    """0 with a Chromium, telling what the other engines lack; 2 and what to do without one."""
    path = find_chromium() or install_chromium()
    if path is None:
        sys.stderr.write(
            "browsers: no Chromium and none could be installed; install your system's chromium package "
            "(Debian: apt-get install chromium) and run make test again\n"
        )
        return 2
    sys.stdout.write(f"browsers: using {path}\n")
    install_engines()
    for lack in filter(None, map(find_lack, NEEDS)):
        sys.stdout.write(f"browsers: {lack}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
