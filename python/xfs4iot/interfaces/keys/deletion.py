"""Checks before keys are deleted."""

from __future__ import annotations

from xfs4iot.interfaces.keys.checks import KeyLoading
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.handler import check

__all__ = ["deletion_allowed", "initialization_allowed", "key_deletable"]


@check("keyNotFound", "accessDenied")
def key_deletable(on: KeyLoading, request: messages.DeleteKey | None) -> None:
    """whether the key is in the table, if one is named, and was not preloaded"""
    if request is None or request.key is None:
        return
    key = on.table.find(request.key)
    if key is None:
        raise errors.CommandError("keyNotFound", "$.key: there is no such key; see GetKeyDetail")
    if key.stored.preloaded:
        raise errors.CommandError("accessDenied", "$.key: this key was preloaded and cannot be deleted")


def _whole(given: messages.DeleteKeyAuthentication | messages.InitializationAuthentication | None) -> None:
    if given is None:
        return
    if given.method is None:
        raise errors.InvalidData("$.authentication.method is missing; see KeyManagement.StartAuthenticate")
    if not given.data:
        raise errors.InvalidData("$.authentication.data is missing; give the signature or MAC")


@check("invalidData")
def deletion_allowed(on: KeyLoading, request: messages.DeleteKey | None) -> None:
    """whether `authentication`, if it is given, is whole"""
    _whole(None if request is None else request.authentication)


@check("invalidData")
def initialization_allowed(on: KeyLoading, request: messages.Initialization | None) -> None:
    """whether `authentication`, if it is given, is whole"""
    _whole(None if request is None else request.authentication)
