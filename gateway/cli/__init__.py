"""The commands of `tag-gateway` (contract 1): each loads the configuration and calls the module that does the work.

Nothing is imported before its command needs it, so that `--help` and `check` answer at once. The modules join their
commands in the order in which an operator meets them.
"""

# ruff: noqa: I001 - the order of these imports is the order of `--help`
from gateway.loading import staying

with staying():
    from gateway.cli.base import app, main
    from gateway.cli import setting_up as setting_up
    from gateway.cli import running as running
    from gateway.cli import looking_after as looking_after
    from gateway.cli import events as events
    from gateway.cli import keeping as keeping

__all__ = ["app", "main"]
