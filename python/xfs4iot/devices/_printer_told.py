"""What the status and the capabilities of a printer say that follows from its class."""

from __future__ import annotations

from typing import Any

from xfs4iot.devices._operation import implements
from xfs4iot.devices._parts import derived
from xfs4iot.devices.storage import Storage
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import printer as messages


def writes(device: Any) -> messages.CapabilitiesWriteForm:
    names = set(device.writes)
    names |= {"barcode"} if device.barcodes else set()
    names |= {"graphics"} if device.graphics else set()
    names |= {"stamp"} if "stamp" in device.controls else set()
    return flags(messages.CapabilitiesWriteForm, names)


def controls(device: Any) -> messages.CapabilitiesControl:
    buffered = {"flush", "clearBuffer"} if implements(device, "print_pages") else set()
    # Named by a class that has neither bins nor the transport to retract to, it cannot be done.
    nowhere = set() if device.retract_to_transport or isinstance(device, Storage) else {"retract"}
    return flags(messages.CapabilitiesControl, {*device.controls, *buffered} - nowhere)


def reads(device: Any) -> messages.CapabilitiesReadForm | None:
    names = set(device.reads) | ({"readImage"} if implements(device, "read_image") else set())
    return flags(messages.CapabilitiesReadForm, names) if names else None


def _codelines(device: Any) -> frozenset[str]:
    return frozenset(device.codelines) if implements(device, "read_codeline") else frozenset()


def codeline_formats(device: Any) -> messages.CapabilitiesCodelineFormat | None:
    names = _codelines(device)
    return flags(messages.CapabilitiesCodelineFormat, names) if names else None


def image_sources(device: Any) -> messages.CapabilitiesImageSource | None:
    names = {*device.scan_sources, *(("codeLine",) if _codelines(device) else ())}
    return flags(messages.CapabilitiesImageSource, names) if names else None


def for_each_source(kind: Any, value: str) -> Any:
    return derived(
        lambda device: kind.of(dict.fromkeys(device.paper_sources, value)) if device.paper_sources else None
    )


def supply(name: str, first: str) -> Any:
    return derived(lambda device: first if name in device.supplies else None)
