"""HTTP only: bytes in, status and cookies out. What a beacon means is decided in `gateway.intake`."""
