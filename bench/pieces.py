"""What a beacon is made of, each piece alone in one thread, for whoever counts or profiles it.

    python -m bench.pieces answer 24    # one of answer, record, deliver; so many rounds of 24 beacons

`answer` is the endpoint without a database, `record` the writer's part, `deliver` all from a claim to its settlement
but for the request itself. What a round needs is made beforehand for the most rounds, however many then run: two
runs differ by the rounds alone, which `bench.instructions` makes use of. Nothing waits for the disk here.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from bench.site import HOST, ORIGIN, PIXEL, STORE, USER_AGENT, build_beacon, write_config
from gateway.delivery.packing import pack
from gateway.delivery.settlements import after_answers
from gateway.intake.receive import Intake
from gateway.intake.tokens import Tokens
from gateway.model.visitor import Visitor, update_visitor
from gateway.settings import load_settings
from gateway.store import Receipt, Recorded, outbox
from gateway.store.database import begin, migrate, open_engine
from gateway.store.known import MOST, Known
from gateway.store.receipt import FoundBy
from gateway.store.record import record_all
from gateway.tiktok.answers import Answer, Verdict
from gateway.tiktok.payload import build_request
from gateway.web.beacon import BeaconEndpoint
from gateway.web.limiter import Limiter

BEACONS = 24
"""In a round: about what shares one commit under load."""

MOST_ROUNDS = 24
NOW_MS = 1_790_000_000_000
_ACCEPTED = Answer(
    Verdict.ACCEPTED, http_status=200, code=0, message="OK", request_id="2" * 32, retry_after_s=None, is_known=True
)
Round = Callable[[int], None]


class _Memory:
    """Stands in for the store: knows its visitors, and keeps the receipts."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self._visitors: dict[str, Visitor] = {}

    async def record(self, receipt: Receipt) -> Recorded:
        """As `Store.record`, at once."""
        self.receipts.append(receipt)
        id_ = receipt.known_id or receipt.new_id
        known = self._visitors.get(id_) or Visitor(id_, NOW_MS, 0, cookie_ms=receipt.sighting.at_ms)
        self._visitors[id_] = visitor = update_visitor(known, receipt.sighting)
        return Recorded(visitor=visitor, found_by=FoundBy.SIGNED, queued=len(receipt.events))


class Shop:
    """One store's endpoint, and visitors who have their cookies."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings(write_config(folder, 1, "http://127.0.0.1:9"))
        tokens = Tokens([key.get_secret_value() for key in settings.security.secret_keys])
        self.store = _Memory()
        intake = Intake(tokens, self.store, settings.delivery)  # type: ignore[arg-type]
        self._endpoint = BeaconEndpoint(settings.stores[0], intake, tokens, Limiter("1000000/second"))
        self._cookies = [self._meet(number) for number in range(BEACONS)]

    def answer(self, body: bytes, cookie: str = "", number: int = 0) -> list[dict[str, Any]]:
        """What the endpoint sends."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        _finish(self._endpoint(build_scope(cookie, number), receive, send))
        return sent

    def _meet(self, number: int) -> str:
        start, _ = self.answer(build_body(number, first=f"first-{number}"))
        values = (value.decode() for name, value in start["headers"] if name == b"set-cookie")
        return "; ".join(value.partition(";")[0] for value in values)

    def prepare(self) -> list[list[tuple[bytes, str, int]]]:
        """The beacons of all rounds."""
        return [
            [(build_body(turn * BEACONS + n + 1000), cookie, n) for n, cookie in enumerate(self._cookies)]
            for turn in range(MOST_ROUNDS)
        ]


def build_body(number: int, first: str | None = None) -> bytes:
    """A usual beacon with one event, whose id is in time's order."""
    return json.dumps(build_beacon(f"0190{number:08x}-7000-8000", first=first), separators=(",", ":")).encode()


def build_scope(cookie: str, number: int) -> dict[str, Any]:
    """A browser's request as uvicorn tells of it."""
    headers = {
        "host": HOST, "origin": ORIGIN, "referer": f"{ORIGIN}/", "user-agent": USER_AGENT, "accept": "*/*",
        "accept-language": "de-DE,de;q=0.9,en;q=0.8", "content-type": "text/plain;charset=UTF-8", "cookie": cookie,
    }  # fmt: skip
    pairs = [(name.encode(), value.encode()) for name, value in headers.items() if value]
    return {"type": "http", "method": "POST", "headers": pairs, "client": (f"203.0.113.{number + 1}", 0)}


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Nothing here ever waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise RuntimeError("it waits for something")


def prepare_answers(folder: Path) -> Round:
    """A round is answered without a database."""
    shop = Shop(folder)
    rounds = shop.prepare()

    def run(turn: int) -> None:
        for body, cookie, number in rounds[turn]:
            shop.answer(body, cookie, number)

    return run


class Database:
    """An SQLite database that knows the visitors of a shop, and all that they will tell."""

    def __init__(self, folder: Path) -> None:
        shop = Shop(folder)
        self._known = Known(MOST)
        self._engine = open_engine(f"sqlite:///{folder / 'gateway.db'}", writes=True)
        migrate(self._engine)
        self._connection = self._engine.raw_connection()
        self._connection.cursor().execute("PRAGMA synchronous = OFF")
        self.write(lambda cursor: record_all(cursor, shop.store.receipts, self._known))
        shop.store.receipts.clear()
        for beacons in shop.prepare():
            for body, cookie, number in beacons:
                shop.answer(body, cookie, number)
        self._receipts = shop.store.receipts

    def write(self, work: Callable[[Any], Any]) -> Any:
        """What `work` made of one transaction."""
        result = work(begin(self._engine, self._connection))
        self._connection.commit()
        return result

    def record(self, turn: int) -> None:
        """A round is written."""
        receipts = self._receipts[turn * BEACONS : (turn + 1) * BEACONS]
        self.write(lambda cursor: record_all(cursor, receipts, self._known))

    def deliver(self, _turn: int) -> None:
        """A round is claimed, built into a request, and settled as accepted."""
        now_ms = 2 * NOW_MS
        found = self.write(lambda cursor: outbox.claim(cursor, STORE, PIXEL, "lease", now_ms, BEACONS))
        claimed = outbox.to_claimed(found)
        assert len(claimed) == BEACONS
        packed, kept_back = pack(STORE, claimed, NOW_MS)
        assert not kept_back
        build_request(PIXEL, [one.data for one in packed])
        settled = after_answers(packed, _ACCEPTED, now_ms, now_ms, now_ms)
        self.write(lambda cursor: outbox.settle(cursor, STORE, "lease", settled))


def prepare_records(folder: Path) -> Round:
    """A round is recorded."""
    return Database(folder).record


def prepare_deliveries(folder: Path) -> Round:
    """A round is delivered."""
    database = Database(folder)
    for turn in range(MOST_ROUNDS):
        database.record(turn)
    return database.deliver


PIECES: dict[str, Callable[[Path], Round]] = {
    "answer": prepare_answers, "record": prepare_records, "deliver": prepare_deliveries,
}  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Runs so many rounds of one piece."""
    piece, rounds = arguments
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as folder:
        run = PIECES[piece](Path(folder))
        for turn in range(int(rounds)):
            run(turn)


if __name__ == "__main__":
    main(sys.argv[1:])
