"""Recordings of what clients and services say to each other: made, replayed, compared."""

from xfs4iot.recording.difference import Deviation, differences
from xfs4iot.recording.entries import Entry, Heading, Recording, RecordingError, Writer, read
from xfs4iot.recording.listening import Listener
from xfs4iot.recording.playing import PlayedDevice
from xfs4iot.recording.recorder import Recorder
from xfs4iot.recording.replay import Refusal, Replay

__all__ = [
    "Deviation",
    "Entry",
    "Heading",
    "Listener",
    "PlayedDevice",
    "Recorder",
    "Recording",
    "RecordingError",
    "Refusal",
    "Replay",
    "Writer",
    "differences",
    "read",
]
