"""Auxiliaries between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import (
    UNTIMED,
    Changes,
    Left,
    Moved,
    Plain,
    ToldApart,
    Values,
    Withdrawn,
)

__all__ = ["CHANGES", "TOLD_APART", "WITHDRAWN"]

_RATE = (Values("auxiliaries.audio.rate", up={}, down={"continuous": "on"}),)

CHANGES: Changes = {
    ("2021-1", "request", "Auxiliaries.Register"): (
        UNTIMED,
        Moved("bootSwitch", "bootSwitchSensor"),
        Moved("consumerDisplay", "consumerDisplaySensor"),
        Moved("enhancedAudio", "enhancedAudioSensor"),
        Moved("headsetMicrophone", "headsetMicrophoneSensor"),
        Moved("operatorCallButton", "operatorCallButtonSensor"),
        Moved("volumeControl", "volume"),
        Left(("fasciaLight",), "the fascia light is one of Lights since 2023-2"),
        Left(("remoteStatusMonitor",), "no later version knows a remote status monitor"),
    ),
    ("2021-1", "request", "Auxiliaries.SetAutoStartupTime"): (
        Left(("mode",), "`clear` is a command of its own in every version, and invalidData here"),
    ),
    ("2021-1", "request", "Auxiliaries.SetAuxiliaries"): (
        Moved("displayBackLight", "consumerDisplayBackLight"),
        Left(("fasciaLight",), "the fascia light is one of Lights since 2023-2"),
    ),
    ("2021-1", "completion", "Common.Status"): (
        Moved("auxiliaries.displaySensor", "auxiliaries.consumerDisplaySensor"),
        Moved("auxiliaries.volume.volumeLevel", "auxiliaries.volume"),
        Moved("auxiliaries.microphoneVolume.volumeLevel", "auxiliaries.microphoneVolume"),
        Left(("auxiliaries.microphoneVolume.available",), "a level that is given is available"),
    ),
    ("2021-1", "completion", "Common.Capabilities"): (
        Moved("auxiliaries.displaySensor", "auxiliaries.consumerDisplaySensor"),
        Moved("auxiliaries.enhancedMicrophoneControlState", "auxiliaries.enhancedMicrophoneControl"),
    ),
    ("2023-2", "completion", "Common.Status"): _RATE,
    ("2023-2", "event", "Common.StatusChangedEvent"): _RATE,
}

_SHORT = {"operatorSwitch", "tamperSensor", "internalTamperSensor"}
_OTHERWISE = {"consumerDisplaySensor": "displaySensorState", "UPS": "upsState"}


def status_changes(changed: Plain) -> list[Plain]:
    """What `Common.StatusChangedEvent` says of auxiliaries, as an `AuxiliaryStatusEvent`."""
    told: Plain = {}
    for name, value in (changed.get("auxiliaries") or {}).items():
        if value is None or name == "cabinetDoor":
            continue
        if name == "volume":
            value = {"volumeLevel": value}
        elif name == "microphoneVolume":
            value = {"available": True, "volumeLevel": value}
        elif name == "audio" and value.get("rate") == "continuous":
            value = {**value, "rate": "on"}
        told[name if name in _SHORT else _OTHERWISE.get(name, f"{name}State")] = value
    return [told] if told else []


TOLD_APART: ToldApart = {
    ("2021-1", "Common.StatusChangedEvent"): (("Auxiliaries.AuxiliaryStatusEvent", status_changes),)
}

WITHDRAWN: Withdrawn = {
    ("2021-1", "Auxiliaries.AuxiliaryStatusEvent"): "still served, to whom registered for it: "
    "Common.StatusChangedEvent tells it to everybody since 2023-2",
}
