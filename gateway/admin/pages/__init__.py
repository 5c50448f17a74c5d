"""The pages of the dashboard, in the order of its menu; the first is where the sign-in leads."""

from __future__ import annotations

from gateway.admin.pages import failures, install, live

PAGES = (live.PAGE, failures.PAGE, install.PAGE)
