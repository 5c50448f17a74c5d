"""TikTok's Events API 2.0, seen from here: what is sent, and what the answers mean.

`payload` turns events into a request, `client` sends it, `answers` says what the reply asks of us. Called by
`gateway.delivery` and `gateway.ops`; nothing here knows the database.
"""
