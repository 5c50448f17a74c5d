"""The typed configuration: gateway.toml, read once at the start, frozen from then on (contract 2).

`model` says what may be set, `values` and `rates` what each kind of value must look like, `load` reads the file and
expands `${ENV}`, `faults` turns everything that is wrong into sentences with a path and a mend. At the bottom of the
import order: imports nothing of ours but `gateway.errors`.
"""

from gateway.settings.load import load_settings, parse_settings
from gateway.settings.model import (
    AlertSettings,
    DeliverySettings,
    PixelSettings,
    RetentionSettings,
    SecuritySettings,
    ServerSettings,
    Settings,
    ShopifySettings,
    StorageSettings,
    StoreSettings,
)

__all__ = [
    "AlertSettings",
    "DeliverySettings",
    "PixelSettings",
    "RetentionSettings",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "ShopifySettings",
    "StorageSettings",
    "StoreSettings",
    "load_settings",
    "parse_settings",
]
