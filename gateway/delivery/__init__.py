"""From the outbox to TikTok: claim, send, settle. The web side and this side meet only in the store."""
