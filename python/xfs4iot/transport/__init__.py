"""From a socket to bytes and back: TCP, TLS, the WebSocket opening handshake, limits.

Knows nothing of XFS.
"""
