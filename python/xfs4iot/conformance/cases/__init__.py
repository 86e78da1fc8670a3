"""What is tried: cases that were written, by area, and those that follow from the catalogue."""

from __future__ import annotations

__all__ = ["WRITTEN"]

WRITTEN = (
    "websocket",
    "envelope",
    "publisher",
    "common",
    "storage",
    "cash_dispenser",
    "cash_acceptor",
    "cards",
    "keys",
    "printer",
    "checks",
    "panels",
    "operators",
)
"""Modules with written cases."""
