"""What a beacon means: untrusted bytes in, a Receipt for the store out. No HTTP, no SQL.

`receive` reads as the way does: parse, screen, consent, identify, events. Called by `gateway.web`.
"""
