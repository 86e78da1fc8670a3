"""Host and port as one text."""

from __future__ import annotations

__all__ = ["address"]


def address(host: str, port: int) -> str:
    """Host and port as URIs and `Host` headers have them: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
