"""Auxiliaries between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Left, Moved, Spelt, Values, Withdrawn

__all__ = ["CHANGES", "SPELT", "WITHDRAWN"]

_RATE = (Values("auxiliaries.audio.rate", up={}, down={"continuous": "on"}),)

CHANGES: Changes = {
    ("2021-1", "request", "Auxiliaries.Register"): (
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

SPELT: Spelt = {
    ("2023-2", "Auxiliaries.ClearAutoStartUpTime"): "Auxiliaries.ClearAutoStartupTime",
    ("2023-2", "Auxiliaries.GetAutoStartUpTime"): "Auxiliaries.GetAutoStartupTime",
    ("2023-2", "Auxiliaries.SetAutoStartUpTime"): "Auxiliaries.SetAutoStartupTime",
}

WITHDRAWN: Withdrawn = {
    ("2021-1", "Auxiliaries.AuxiliaryStatusEvent"): "Common.StatusChangedEvent tells it since 2023-2",
}
