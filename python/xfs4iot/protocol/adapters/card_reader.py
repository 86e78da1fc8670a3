"""CardReader between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Change, Changes, Left, Moved, Plain, Reshaped, SentOtherwise

__all__ = ["CHANGES", "SENT_OTHERWISE"]

_READ = (
    "track1",
    "track2",
    "track3",
    "track1Front",
    "track1JIS",
    "track3JIS",
    "ddi",
    "watermark",
    "memoryChip",
    "security",
    "chip[]",
)
_AMOUNT = ("value", "valueQualifier")
_NUMBERED = "later versions number currencies, 2021-1 names them: a message to show goes without one"


def _read_ok(source: Plain) -> Plain:
    """Since 2023-2 what was read well has no status."""
    if source.get("data") is not None and source.get("status") is None:
        return {**source, "status": "ok"}
    return source


def _tracks_up(old: Plain) -> Plain:
    """2021-1 lists the tracks to write; `auto` is said by leaving the method out."""
    tracks = old.get("data")
    if not isinstance(tracks, list):
        return old
    found: Plain = {}
    for track in tracks:
        if isinstance(track, dict) and isinstance(track.get("destination"), str):
            found[track["destination"]] = {
                name: value
                for name, value in track.items()
                if name != "destination" and (name, value) != ("writeMethod", "auto")
            }
    return found


def _amount_down(message: Plain) -> Plain:
    """2021-1 says an amount to show in properties of its own."""
    details = message.get("valueDetails")
    if not isinstance(details, dict):
        return message
    found = {name: value for name, value in message.items() if name != "valueDetails"}
    found["value"] = details.get("value")
    found["valueQualifier"] = details.get("qualifier")
    return found


def _outcomes(*sources: str) -> tuple[Change, ...]:
    places = [f"{source}.clessOutcome.{ui}" for source in sources for ui in ("uiOutcome", "uiRestart")]
    return (
        *(
            Reshaped(tuple(f"{place}.{name}" for name in _AMOUNT), down=_amount_down, at=place)
            for place in places
        ),
        Left(tuple(f"{place}.currencyCode" for place in places), _NUMBERED),
    )


CHANGES: Changes = {
    ("2021-1", "completion", "CardReader.ReadRawData"): tuple(
        Reshaped((), down=_read_ok, at=source) for source in _READ
    ),
    ("2021-1", "request", "CardReader.WriteRawData"): (Reshaped(("data[]",), up=_tracks_up),),
    ("2021-1", "completion", "CardReader.EMVClessIssuerUpdate"): _outcomes("chip"),
    ("2021-1", "completion", "CardReader.EMVClessPerformTransaction"): _outcomes(
        "chip", "track1", "track2", "track3"
    ),
    ("2021-1", "event", "CardReader.EMVClessReadStatusEvent"): (
        Reshaped(_AMOUNT, down=_amount_down),
        Left(("currencyCode",), _NUMBERED),
    ),
    ("2023-2", "request", "CardReader.WriteRawData"): (Moved("additonalProperties", "additionalProperties"),),
}

SENT_OTHERWISE: SentOtherwise = {
    ("2021-1", "CardReader.MediaDetectedEvent"): "command",
}
