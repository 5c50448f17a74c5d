"""WebKitGTK with Intelligent Tracking Prevention on, driven over standard input and output. Started by `webkit`.

A program of the system's own Python, which has PyGObject and nothing of ours. It takes one JSON array a line, [command,
*arguments], and answers each with one line: {"value": …} or {"error": "…"}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import GLib, Gtk, WebKit2  # noqa: E402 - versions are chosen before anything is imported

DAY_S = 86_400
SCRIPT_WRITTEN = (
    WebKit2.WebsiteDataTypes.LOCAL_STORAGE
    | WebKit2.WebsiteDataTypes.SESSION_STORAGE
    | WebKit2.WebsiteDataTypes.INDEXEDDB_DATABASES
    | WebKit2.WebsiteDataTypes.DOM_CACHE
    | WebKit2.WebsiteDataTypes.SERVICE_WORKER_REGISTRATIONS
)

Done = Callable[[Any], None]


class Driver:
    """One window on the profile in this folder. Commands call `done` with their value, or with an exception."""

    def __init__(self, folder: str) -> None:
        data = WebKit2.WebsiteDataManager(base_data_directory=f"{folder}/data", base_cache_directory=f"{folder}/cache")
        data.set_itp_enabled(True)
        data.set_tls_errors_policy(WebKit2.TLSErrorsPolicy.IGNORE)  # the certificates are Caddy's own
        self._data = data
        self._cookies = data.get_cookie_manager()
        self._cookies.set_persistent_storage(f"{folder}/cookies.sqlite", WebKit2.CookiePersistentStorage.SQLITE)
        self._view = WebKit2.WebView.new_with_context(WebKit2.WebContext.new_with_website_data_manager(data))
        window = Gtk.Window()
        window.add(self._view)
        window.show_all()

    def goto(self, done: Done, url: str) -> None:
        """The page has loaded."""

        def changed(_view: Any, event: Any) -> None:
            if event == WebKit2.LoadEvent.FINISHED:
                end(None)

        def failed(_view: Any, _event: Any, _uri: str, error: Any) -> bool:
            end(RuntimeError(error.message))
            return False

        def end(value: Any) -> None:
            for handler in handlers:
                self._view.disconnect(handler)
            done(value)

        handlers = [self._view.connect("load-changed", changed), self._view.connect("load-failed", failed)]
        self._view.load_uri(url)

    def evaluate(self, done: Done, body: str) -> None:
        """What the page returns from this body of an async function."""

        def finish(view: Any, result: Any) -> None:
            text = view.call_async_javascript_function_finish(result).to_json(0)
            done(json.loads(text) if text else None)

        self._view.call_async_javascript_function(body, -1, None, None, None, None, reporting(finish, done))

    def list_cookies(self, done: Done) -> None:
        """Every cookie as [domain, name, value, days left, or null until the browser closes]."""

        def tell(cookies: list[Any]) -> None:
            done([[one.get_domain(), one.get_name(), one.get_value(), days_left(one)] for one in cookies])

        self._with_cookies(done, tell)

    def forget(self, done: Done, is_everything: bool) -> None:
        """What scripts can write is gone, cookies and storage; or everything is, HttpOnly cookies too."""

        def cleared(data: Any, result: Any) -> None:
            data.clear_finish(result)
            self._with_cookies(done, drop)

        def drop(cookies: list[Any]) -> None:
            doomed = [cookie for cookie in cookies if is_everything or not cookie.get_http_only()]
            if doomed:
                self._cookies.delete_cookie(doomed[0], None, reporting(dropped, done))
            else:
                done(None)

        def dropped(manager: Any, result: Any) -> None:
            manager.delete_cookie_finish(result)
            self._with_cookies(done, drop)

        types = WebKit2.WebsiteDataTypes.ALL if is_everything else SCRIPT_WRITTEN
        self._data.clear(types, 0, None, reporting(cleared, done))

    def _with_cookies(self, done: Done, work: Callable[[list[Any]], None]) -> None:
        def finish(manager: Any, result: Any) -> None:
            work(manager.get_all_cookies_finish(result))

        self._cookies.get_all_cookies(None, reporting(finish, done))


def days_left(cookie: Any) -> float | None:
    """None: until the browser closes."""
    expires = cookie.get_expires()
    return None if expires is None else (float(expires.to_unix()) - time.time()) / DAY_S


def reporting(finish: Callable[[Any, Any], None], done: Done) -> Callable[[Any, Any], None]:
    """A callback of GLib whose exception is the command's answer."""

    def report(source: Any, result: Any) -> None:
        try:
            finish(source, result)
        except Exception as error:
            done(error)

    return report


def answer(value: Any) -> None:
    told = {"error": str(value)} if isinstance(value, Exception) else {"value": value}
    print(json.dumps(told), flush=True)


def main() -> None:
    """Commands are answered until standard input ends."""
    driver = Driver(sys.argv[1])
    loop = GLib.MainLoop()

    def read(_source: Any, _condition: Any) -> bool:
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        command, *arguments = json.loads(line)
        getattr(driver, command)(answer, *arguments)
        return True

    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, read)
    loop.run()


if __name__ == "__main__":
    main()
