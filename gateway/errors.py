"""Every exception the gateway raises on purpose, drawn as one tree.

GatewayError
├── SettingsError        the configuration has faults; carries all of them
├── RequestError         what a client sent is refused; carries the HTTP status
│   ├── Malformed        400, names the field
│   ├── Unauthorized     401
│   ├── Forbidden        403
│   ├── NotFound         404
│   ├── TooLarge         413
│   └── TooMany          429, with Retry-After
├── StoreError           the database did not take or give what was asked
│   ├── StoreUnavailable cannot write now (disk, lock, queue full): 503, try again
│   └── StoreLocked      another gateway has this database
└── CommandError         a command cannot go on; one line, with the mend

Anything else that surfaces is a defect of ours. The web layer turns RequestError and StoreUnavailable into answers from
one table (`gateway.web.answers`); nothing internal reaches an anonymous caller.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of all that is raised on purpose."""


class SettingsError(GatewayError):
    """The configuration cannot be used.

    Shape: `faults` is a tuple of sentences, each starting with the path in the file and ending with the mend.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class RequestError(GatewayError):
    """A client's request is refused; the message is safe to show to that client."""

    status = 400


class Malformed(RequestError):
    """The request cannot be read as what it claims to be; the message names the field."""

    status = 400


class Unauthorized(RequestError):
    """The request does not prove who it is from."""

    status = 401


class Forbidden(RequestError):
    """The sender is known and is not allowed to do this."""

    status = 403


class NotFound(RequestError):
    """Nothing is served here."""

    status = 404


class TooLarge(RequestError):
    """The body is over the limit of its endpoint."""

    status = 413


class TooMany(RequestError):
    """The client sends faster than its rate limit allows.

    Units: `retry_after_s` in whole seconds, at least 1.
    """

    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many requests, slow down")
        self.retry_after_s = max(1, retry_after_s)


class StoreError(GatewayError):
    """The database did not take or give what was asked."""


class StoreUnavailable(StoreError):
    """Nothing was written, or not in time; who asked may try again. The message is for operators, never for clients."""


class StoreLocked(StoreError):
    """Another gateway process holds this database."""


class CommandError(GatewayError):
    """A command cannot go on; the message says what to do."""
