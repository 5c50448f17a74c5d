"""The key to a shop's Admin API: a token of the settings, or one asked for with the app's credentials and kept a while.

Used by `gateway.shopify.admin_api` alone. No token and no secret ever gets into an error.

Source: Shopify, "Client credentials grant" (spec 7, read 2026-09): a token holds for 24 hours, asking again renews it.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec
from msgspec import Struct

from gateway.errors import CommandError
from gateway.settings import ShopifySettings

TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105 - a path
_EARLY_S = 60.0
"""How long before its end a token is renewed, so that none ends on the way."""

_REFUSALS = {
    "app_not_installed": "the app is not installed on {shop}: install it from the Dev Dashboard",
    "shop_not_permitted": "the app and {shop} belong to different organisations: make the app in the shop's own",
    "application_cannot_be_found": "no app has this client_id: copy it again from the app's settings",
    "invalid_client": "client_id and client_secret do not belong together: copy both again from the app's settings",
}
"""Words found in refusals, by the mend. Source: reports of app developers; Shopify lists none (read 2026-11)."""


class AdminError(CommandError):
    """The Admin API did not give what was asked; the message says why and what to do."""


class WrongToken(AdminError):
    """Shopify does not take the token, or the credentials."""


class MissingScope(AdminError):
    """The app may not read this."""


class ShopNotFound(AdminError):
    """There is no such shop, or it is closed."""


class AdminUnavailable(AdminError):
    """Shopify cannot be reached, does not answer, or keeps putting off. Trying later is all there is to do."""


class _Grant(Struct, frozen=True):
    access_token: str
    expires_in: float


class AdminToken:
    """Keeps one token at hand. Units: `clock` gives seconds of any origin."""

    def __init__(self, shop: ShopifySettings, http: httpx.AsyncClient, clock: Callable[[], float]) -> None:
        self._shop = shop
        self._http = http
        self._clock = clock
        self._token = ""
        self._ends_s = 0.0

    @property
    def is_renewable(self) -> bool:
        """Whether another token can be had for one that is refused."""
        return not self._shop.admin_token

    async def get(self) -> str:
        """A token that should hold. Raises: WrongToken, ShopNotFound, AdminUnavailable."""
        if not self.is_renewable:
            return self._shop.admin_token.get_secret_value()
        if self._clock() >= self._ends_s:
            await self._renew()
        return self._token

    def forget(self) -> None:
        """The token is not used again."""
        self._ends_s = 0.0

    async def _renew(self) -> None:
        if not self._shop.client_id:
            raise WrongToken("set client_id and client_secret, or admin_token, in [stores.shopify]")
        asked_s = self._clock()
        grant = _read_grant(self._shop, await self._ask())
        self._token = grant.access_token
        self._ends_s = asked_s + grant.expires_in - _EARLY_S

    async def _ask(self) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._shop.client_id,
            "client_secret": self._shop.client_secret.get_secret_value(),
        }
        return await post(self._http, self._shop, TOKEN_PATH, data=form)


async def post(http: httpx.AsyncClient, shop: ShopifySettings, path: str, **request: object) -> httpx.Response:
    """Shopify's answer, whatever it is. Raises: AdminUnavailable, ShopNotFound."""
    try:
        response = await http.post(f"{shop.api_base}{path}", **request)  # type: ignore[arg-type]
    except httpx.TransportError as error:
        raise AdminUnavailable(f"{shop.api_base} does not answer: {type(error).__name__}; try again later") from None
    if response.status_code in (301, 302, 303, 307, 308, 402, 404, 423):
        raise ShopNotFound(
            f"{shop.shop} is no open shop of Shopify (HTTP {response.status_code}): check `shop` and `api_base`"
        )
    return response


def _read_grant(shop: ShopifySettings, response: httpx.Response) -> _Grant:
    if response.status_code >= 500 or response.status_code == 429:
        raise AdminUnavailable(f"{shop.shop} gives no token now (HTTP {response.status_code}); try again later")
    if response.is_success:
        try:
            return msgspec.json.decode(response.content, type=_Grant)
        except msgspec.DecodeError:
            raise AdminUnavailable(f"{shop.api_base} answers, but not with a token: check `api_base`") from None
    for word, mend in _REFUSALS.items():
        if word in response.text:
            raise WrongToken(mend.format(shop=shop.shop))
    raise WrongToken(f"{shop.shop} refuses client_id and client_secret (HTTP {response.status_code})")
