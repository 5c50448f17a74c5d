"""What a command asks of the gateway, and what it hears back.

An errand is done by `gateway.ops.desk`, in the command's own process or in the running gateway; between the two it
travels as JSON, and its reports as JSON Lines. No raw personal data is in either.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from gateway.errors import CommandError, GatewayError, Malformed, SettingsError
from gateway.model.person import Person
from gateway.settings import Settings, StoreSettings
from gateway.shopify.admin_token import AdminUnavailable
from gateway.store.erase import Erased
from gateway.store.vitals import Vitals
from gateway.store.walk import Wanted


class Reconcile(Struct, frozen=True, tag="reconcile"):
    """Compare the orders that changed in the last `since_s` seconds with what was sent; `send` what is missing."""

    store_ids: tuple[str, ...]
    since_s: int
    send: bool = False


class Erase(Struct, frozen=True, tag="erase"):
    """Erase this person."""

    store_ids: tuple[str, ...]
    person: Person


class Look(Struct, frozen=True, tag="look"):
    """Say how each store is doing, once the database has taken a write."""

    store_ids: tuple[str, ...]


class Replay(Struct, frozen=True, tag="replay"):
    """Send what is wanted once more, where that counts nothing twice; without `act`, say what could be."""

    store_ids: tuple[str, ...]
    wanted: Wanted
    act: bool = False


class State(StrEnum):
    """Where the Purchase of an order stands."""

    SENT = "sent"  # TikTok accepted it, for every pixel
    WAITING = "waiting"  # in the outbox
    QUEUED = "queued now"  # was missing, and is in the outbox now
    MISSING = "missing"  # should have been sent, and was not
    REJECTED = "rejected"  # TikTok refused it; the reason is TikTok's
    EXPIRED = "expired"  # too late to be sent
    NOT_SENT = "not sent"  # deliberately; the reason says why


class Standing(Struct, frozen=True):
    """Where one order stands. `name` is what the shop calls it, such as #1001."""

    order_id: int
    name: str
    state: State
    reason: str | None = None


class Checked(Struct, frozen=True, tag="checked"):
    """Some more orders of a store were compared; the first report has none."""

    store_id: str
    standings: tuple[Standing, ...] = ()


class Underway(Struct, frozen=True, tag="underway"):
    """So much of what is being done in a store is."""

    store_id: str
    what: str
    done: int
    total: int


class Gone(Struct, frozen=True, tag="gone"):
    """So much of a person was erased from a store."""

    store_id: str
    erased: Erased


class Looked(Struct, frozen=True, tag="looked"):
    """How a store is doing."""

    store_id: str
    vitals: Vitals


class Replayed(Struct, frozen=True, tag="replayed"):
    """Some more events of a store were looked at: so many may be replayed, or were, and why the others may not be."""

    store_id: str
    count: int = 0
    refused: tuple[tuple[str, int], ...] = ()


class Trouble(Struct, frozen=True, tag="trouble"):
    """What kept the errand from being done for a store, as a sentence with the mend, and the command's exit code."""

    store_id: str
    sentence: str
    exit_code: int


Errand = Reconcile | Erase | Look | Replay
Report = Checked | Underway | Gone | Looked | Replayed | Trouble

_encoder = msgspec.json.Encoder()
_errands: msgspec.json.Decoder[Errand] = msgspec.json.Decoder(Errand)
_reports: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)


def to_line(said: Errand | Report) -> bytes:
    """One line of JSON."""
    return _encoder.encode(said) + b"\n"


def parse_errand(line: bytes) -> Errand:
    """The errand. Raises: Malformed, as when a command of another version asks."""
    try:
        return _errands.decode(line)
    except msgspec.DecodeError:
        raise Malformed("no errand that this gateway knows") from None


def parse_report(line: bytes) -> Report:
    """The report. Raises: CommandError when a gateway of another version wrote it."""
    try:
        return _reports.decode(line)
    except msgspec.DecodeError:
        raise CommandError("the running gateway is of another version: restart it") from None


def to_trouble(store_id: str, error: GatewayError) -> Trouble:
    """The error as a report: 2 for what the configuration can mend, else 1 (contract 1)."""
    is_usage = isinstance(error, SettingsError | CommandError) and not isinstance(error, AdminUnavailable)
    return Trouble(store_id, str(error), 2 if is_usage else 1)


def choose_stores(settings: Settings, store_id: str | None) -> Sequence[StoreSettings]:
    """The store that is named, or all of them. Raises: CommandError for a name that no store has."""
    chosen = [store for store in settings.stores if store_id in (None, store.id)]
    if not chosen:
        raise CommandError(f"there is no store {store_id}: it is one of {', '.join(s.id for s in settings.stores)}")
    return chosen
