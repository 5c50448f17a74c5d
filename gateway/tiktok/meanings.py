"""What TikTok's codes mean to a merchant, and what to do: for eyes alone, nothing acts on it.

Asked by `gateway.ops` and shown wherever an answer is; what delivery does with a code stands in
`gateway.tiktok.answers`, whose table a test compares with this one.

Source: Events API 2.0 return codes (spec 3.3, read 2026-09).
"""

from __future__ import annotations

from msgspec import Struct


class Meaning(Struct, frozen=True):
    """A code in plain words. `mend` is empty where there is nothing to do."""

    meaning: str
    mend: str = ""


_RENEW = "generate a new one in Events Manager > your pixel > Settings > Events API, and put it into access_token"
_WAIT = "the gateway tries again by itself"

_THROTTLED = Meaning("TikTok takes no more at the moment", _WAIT)
_TROUBLE = Meaning("TikTok has trouble of its own", _WAIT)
_WRONG_TOKEN = Meaning("the access token is wrong, revoked or has ended", _RENEW)

_BY_CODE = {
    0: Meaning("TikTok accepted it"),
    20001: Meaning("TikTok accepted part of it, and does not say which"),
    40001: Meaning(
        "the token may not write to this pixel",
        "use the pixel's own token, and its Pixel Code (letters and digits, from Events Manager) as `code`",
    ),
    40002: Meaning("something in the event is not as TikTok wants it", "the message names the field; report it to us"),
    40016: _THROTTLED,
    40100: _THROTTLED,
    40101: Meaning("the app's id or secret is wrong", _RENEW),
    40102: _WRONG_TOKEN,
    40103: _WRONG_TOKEN,
    40104: Meaning("there is no access token in the request", _RENEW),
    40105: _WRONG_TOKEN,
    40107: _WRONG_TOKEN,
    40110: _WRONG_TOKEN,
    40133: _THROTTLED,
    50000: _TROUBLE,
    50002: _TROUBLE,
    51001: _TROUBLE,
    51010: _TROUBLE,
    51021: _THROTTLED,
    51039: _TROUBLE,
}

_NO_ANSWER = Meaning("TikTok did not answer", "see that this server reaches delivery.api_base; " + _WAIT)
_UNKNOWN = Meaning("TikTok answered something new", _WAIT)


def explain_code(code: int | None) -> Meaning:
    """What this code means; None is no answer of the Events API at all."""
    return _NO_ANSWER if code is None else _BY_CODE.get(code, _UNKNOWN)
