"""Formats of texts that a step changed, and why no adapter is needed."""

from __future__ import annotations

__all__ = ["FORMATS"]

_BASE64 = "^([a-zA-Z0-9+/]{4})*([a-zA-Z0-9+/]{4}|[a-zA-Z0-9+/]{2}([a-zA-Z0-9+/]|=)=)$"
_LOOSE = "^[A-Za-z0-9+/]+={0,2}$"
_SAME = "binary data in base64, as before; the newer pattern is stricter about what never was base64"
_BINS = "a unit's name may also have letters; an older client of ours passes it on as text"

FORMATS: dict[tuple[str, str], str] = {
    (_LOOSE, "^[A-Za-z0-9+/]*={0,2}$"): _SAME,
    (_LOOSE, "^[A-Za-z0-9+/]+={0,2}?$"): _SAME,
    (_LOOSE, _BASE64): _SAME,
    ("^[A-Za-z0-9+/]*={0,2}$", _BASE64): _SAME,
    ("^[A-Za-z0-9+/]+={0,2}?$", _BASE64): _SAME,
    ("", _BASE64): _SAME,
    ("", _LOOSE): _SAME,
    ("^[a-z]{2}$", "^[a-z]{2}"): "a language by its two letters, as before",
    ("^[0-9a-fA-F]{2,}$", "^[0-9a-fA-F]{2,}?$"): "the same texts",
    ("^eject$|^expel$|^unit[0-9]+$", "^eject$|^expel$|^unit[0-9A-Za-z]+$"): _BINS,
    ("^transport$|^unit[0-9]+$", "^transport$|^unit[0-9A-Za-z]+$"): _BINS,
    ("^transport$|^nomedia$|^unit[0-9]+$", "^transport$|^nomedia$|^unit[0-9A-Za-z]+$"): _BINS,
    ("^transport$|^jammed$|^unit[0-9]+$", "^transport$|^jammed$|^unit[0-9A-Za-z]+$"): _BINS,
    (
        "^present$|^entering$|^jammed$|^unknown$|^expelled$|^unit[0-9]+$",
        "^present$|^entering$|^jammed$|^unknown$|^expelled$|^unit[0-9A-Za-z]+$",
    ): _BINS,
    (
        "^upper$|^lower$|^external$|^aux$|^aux2$|^park$|^[a-zA-Z]([a-zA-Z0-9]*)$",
        "^upper$|^lower$|^external$|^aux$|^aux2$|^park$|^any$|^[a-zA-Z]([a-zA-Z0-9]*)$",
    ): "the same texts: the last alternative takes every name",
    (
        "^upper$|^lower$|^external$|^aux$|^aux2$|^park$|^[a-zA-Z]([a-zA-Z0-9]*)$",
        "^upper$|^lower$|^external$|^aux$|^aux2$|^[a-zA-Z]([a-zA-Z0-9]*)$",
    ): "the same texts: the last alternative takes every name",
    (
        "",
        "^(?=[!-~]{0,1024}$)NONCE=[0-9A-F]+,TOKENFORMAT=1,TOKENLENGTH=[0-9]{4},(?:[A-Z0-9]+=[^,=]+?,)+"
        "HMACSHA256=[0-9A-F]{64}$",
    ): "tokens were always made so; only now the schema says it",
    (
        "^B[0-2]$|^C0$|^D[0-2]$|^E[0-6]$|^I0$|^K[0-4]$|^M[0-8]$|^P0$|^S[0-2]$|^V[0-4]$|^[0-9][0-9]$",
        "^B[0-3]$|^C0$|^D[0-3]$|^E[0-7]$|^I0$|^K[0-4]$|^M[0-8]$|^P[0-1]$|^S[0-2]$|^V[0-5]$|^[0-9][0-9]$",
    ): "key usages that were added; the older ones are as they were",
}
"""By the older and the newer pattern; an empty one takes every text."""
