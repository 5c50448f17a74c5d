"""What may be set in gateway.toml: one frozen model per table, each setting described where it stands.

Built by `gateway.settings.load`, read by everything above. A setting's docstring is also the mend a user is shown when
it is missing; `gateway.settings.faults` reads it then, where pydantic would read all of them at every start.
Rules between two settings stand with the later one and look at `info.data`, which holds the earlier ones that are
sound: so they report even when something else is wrong too.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from gateway.settings import values
from gateway.settings.values import Filled, Listed

_SHARED_SUFFIX = re.compile(r"(?:co|com|net|org|ac|gov|edu)\.[a-z]{2}|myshopify\.com")
"""Domains in which strangers own the names below, so that browsers take no cookie for them. Not the whole list."""


class Table(BaseModel):
    """A table of the file: unknown keys are faults, nothing changes after the start."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,  # one check of the whole file is built, not one more for each table
    )


class ServerSettings(Table):
    """[server]: where the gateway listens and whom it believes."""

    host: values.Address = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    rate_limit: values.Rate = "50/second"
    """Beacons per client address."""
    trusted_proxies: Annotated[tuple[values.Proxy, ...], Listed] = ("127.0.0.1", "::1")
    """Whose X-Forwarded-For and X-Forwarded-Proto are believed."""


class StorageSettings(Table):
    """[storage]: the one database. The URL may hold a password, so it is kept as a secret."""

    url: values.DatabaseUrl = SecretStr("sqlite:///data/gateway.db")
    """sqlite:///path, from the file's folder on, or postgresql://user:password@host/database."""

    @property
    def is_sqlite(self) -> bool:
        """Whether one process alone may write."""
        return self.url.get_secret_value().startswith("sqlite:")

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for a database that keeps its own."""
        return Path(self._split()[0]) if self.is_sqlite else None

    def anchored_in(self, folder: Path) -> StorageSettings:
        """The same storage, a relative SQLite path now starting at `folder`."""
        if not self.is_sqlite:
            return self
        path, mark, query = self._split()
        return StorageSettings(url=SecretStr(f"sqlite:///{folder / path}{mark}{query}"))

    def _split(self) -> tuple[str, str, str]:
        return self.url.get_secret_value().removeprefix("sqlite:///").partition("?")


class SecuritySettings(Table):
    """[security]: signing keys and the dashboard's locks."""

    secret_keys: Annotated[tuple[values.SigningKey, ...], Listed, Filled]
    """Keys of at least 32 bytes that sign the cookies: the first signs, all verify; add a new one in front."""
    admin_password_hash: values.PasswordHash = SecretStr("")
    """What `tag-gateway password` printed; empty: the dashboard is off."""
    admin_hosts: Annotated[tuple[values.Host, ...], Listed] = ("localhost", "127.0.0.1")
    """Host names on which /admin answers."""
    metrics_token: values.Token = SecretStr("")
    """Bearer token for /metrics; empty: loopback only."""


class DeliverySettings(Table):
    """[delivery]: how events travel to TikTok."""

    api_base: values.BaseUrl = "https://business-api.tiktok.com"
    """Where TikTok's Events API answers."""
    linger_s: float = Field(default=1.0, ge=0, le=60)
    """Seconds to wait for a batch to fill."""
    purchase_hold_s: float = Field(default=45, ge=0, le=3600)
    """Seconds a browser Purchase waits for its webhook, and a theme's InitiateCheckout for the checkout's own."""
    max_age_h: float = Field(default=168, gt=0, le=672)
    """Hours after which an event is no longer worth sending; TikTok attributes at most 28 days."""


class RetentionSettings(Table):
    """[retention]: how long personal data is kept."""

    visitors_days: int = Field(default=400, gt=0, le=3650)
    """Days since a visitor was last seen."""
    events_days: int = Field(default=90, gt=0, le=3650)
    """Days an event stays in the audit trail."""
    ip_days: int = Field(default=30, gt=0, le=3650)
    """Days an address and a user agent are kept."""


class AlertSettings(Table):
    """[alerts]: whom to tell when delivery is in trouble."""

    webhook_url: values.HookUrl = SecretStr("")
    """Takes a Slack-compatible JSON POST; empty: nobody is told."""


class PixelSettings(Table):
    """[[stores.pixels]]: a TikTok Pixel and the token that may write to it."""

    code: values.PixelCode
    """The Pixel Code from TikTok's Events Manager."""
    access_token: values.GivenToken
    """The pixel's Events API token, from Events Manager, best as "${NAME}" of an environment variable."""
    test_event_code: values.TestCode = ""
    """Sends everything to the Test Events tab, so that nothing counts, until the time below."""
    test_event_code_until: values.Moment = Field(default=None, validate_default=True)
    """A time with its offset; later the code is left out, so that a forgotten one hides nothing."""
    events: Annotated[tuple[values.EventName, ...], Listed] = ()
    """Names of the events this pixel takes; empty: all."""

    @field_validator("test_event_code_until")
    @classmethod
    def _ends_test(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        if info.data.get("test_event_code") and until is None:
            raise ValueError(
                "must say when test_event_code ends, such as 2026-12-31T18:00:00+01:00: it hides every conversion"
            )
        return until

    def takes(self, event: str) -> bool:
        """Whether events of this name go to this pixel."""
        return not self.events or event in self.events

    def test_code_at(self, now: datetime) -> str | None:
        """The test code that still applies at `now` (aware), if any."""
        until = self.test_event_code_until
        return self.test_event_code if self.test_event_code and until and now < until else None


class ShopifySettings(Table):
    """[stores.shopify]: the shop behind the store."""

    shop: values.Shop
    """The shop's permanent name such as acme.myshopify.com."""
    webhook_secrets: Annotated[tuple[values.GivenToken, ...], Listed, Filled]
    """The secrets that sign the webhooks: from Shopify admin, Settings, Notifications, and from custom apps."""
    purchase_trigger: Literal["orders/paid", "orders/create"] = "orders/paid"
    """The webhook topic that means a purchase."""
    content_id: Literal["variant", "product", "sku"] = "variant"
    """Which id names a product; it must be the one of the product feed in TikTok."""
    sources: Annotated[tuple[values.SourceName, ...], Listed, Filled] = ("web",)
    """The orders' source_name values that count."""
    client_id: values.ClientId = ""
    """Client id of a Shopify app; with client_secret it enables reconcile."""
    client_secret: values.Token = Field(default=SecretStr(""), validate_default=True)
    """The app's secret."""
    admin_token: values.Token = SecretStr("")
    """An Admin API access token, instead of client_id and client_secret."""
    api_base: str = Field(default="", validate_default=True)
    """Where the shop's Admin API answers; empty: at https://{shop}."""

    @field_validator("client_secret")
    @classmethod
    def _comes_in_pairs(cls, secret: SecretStr, info: ValidationInfo) -> SecretStr:
        if bool(secret) != bool(info.data.get("client_id", secret)):
            raise ValueError("belongs together with client_id; set both or neither")
        return secret

    @field_validator("api_base")
    @classmethod
    def _defaults_to_shop(cls, base: str, info: ValidationInfo) -> str:
        return values.check_base_url(base) if base else f"https://{info.data.get('shop')}"


class StoreSettings(Table):
    """[[stores]]: a shop, its names, its rules."""

    id: values.Slug
    """A short name such as acme, kept for good: the database knows the store by it."""
    hosts: Annotated[tuple[values.Host, ...], Listed, Filled] = Field(alias="host")
    """This gateway's name for the store such as t.acme.com, or a list of names."""
    origins: Annotated[tuple[values.Origin, ...], Listed, Filled]
    """The shop's own origins such as https://www.acme.com; /go lands on the first."""
    cookie_domain: values.Host
    """The domain above host and origins such as acme.com; its cookies are readable on all of them."""
    script_path: values.UrlPath
    """Where the snippet is served: a short path without meaning, such as /k3m/w5f.js, that no other shop uses."""
    collect_path: values.UrlPath
    """Where beacons arrive: a short path without meaning, such as /k3m/q8d, that no other shop uses."""
    click_params: Annotated[tuple[values.QueryName, ...], Listed, Filled] = ("ttclid", "tc")
    """Query names that may carry the click id."""
    consent: Literal["shopify", "required", "granted"] = "shopify"
    """How consent is known: from Shopify's Customer Privacy API, from the page's own banner, or not asked for."""
    pixel_mode: Literal["mirror", "drive", "off"] = "mirror"
    """Whether the snippet observes the page's TikTok Pixel, loads it itself, or leaves it alone."""
    bots: Literal["drop", "keep"] = "drop"
    """What becomes of crawlers' beacons."""
    go_without_consent: bool = False
    """Whether /go stores the click before consent is known; for stores that serve opt-out regions only."""
    mint_ttp: bool = False
    """Whether to make a _ttp where the browser has none; TikTok may not know our value."""
    pixels: Annotated[tuple[PixelSettings, ...], Filled]
    """At least one [[stores.pixels]] table with code and access_token."""
    shopify: ShopifySettings | None = None
    """The [stores.shopify] table; without it webhooks are refused."""

    @field_validator("cookie_domain")
    @classmethod
    def _covers_every_name(cls, domain: str, info: ValidationInfo) -> str:
        if _SHARED_SUFFIX.fullmatch(domain) or ("." not in domain and not values.is_loopback(domain)):
            raise ValueError(
                "is a domain that strangers share, so browsers refuse its cookies; write the shop's own domain"
            )
        names = [*info.data.get("hosts", ()), *map(values.host_of, info.data.get("origins", ()))]
        for name in names:
            if name != domain and not name.endswith(f".{domain}"):
                raise ValueError(f"does not cover {name}; write a domain that ends host and origins alike")
        return domain

    @field_validator("collect_path")
    @classmethod
    def _is_apart_from_script(cls, path: str, info: ValidationInfo) -> str:
        if info.data.get("script_path") in (path, f"{path}/px"):
            raise ValueError(f"must differ from script_path, and so must {path}/px, where the custom pixel sends")
        return path


class Settings(Table):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    security: SecuritySettings
    """Add a [security] table with secret_keys; `tag-gateway init` writes fresh ones."""
    delivery: DeliverySettings = DeliverySettings()
    retention: RetentionSettings = RetentionSettings()
    alerts: AlertSettings = AlertSettings()
    stores: Annotated[tuple[StoreSettings, ...], Filled]
    """Add a [[stores]] table for each shop; `tag-gateway init` writes one."""
