"""What only older versions of the standard have: what tells the same since, or that it is still served."""

from __future__ import annotations

__all__ = ["WITHDRAWN"]

_SAFE_DOOR = "the safe door is one of Auxiliaries since 2023-2: its status, and SetAuxiliaries"
_FORMS = "forms are set by SetForm since 2024-3, and are not kept in files"
_STILL = "still served: forms in the form language are read; the newest version has SetForm"
_BINS = "retract bins are storage units since 2024-3"

WITHDRAWN: dict[tuple[str, str], str] = {
    ("2021-1", "Auxiliaries.AuxiliaryStatusEvent"): "Common.StatusChangedEvent tells it since 2023-2",
    ("2021-1", "CashAcceptor.GetPositionCapabilities"): "Common.Capabilities tells it since 2023-2",
    ("2021-1", "CashManagement.OpenSafeDoor"): _SAFE_DOOR,
    ("2021-1", "CashManagement.SafeDoorClosedEvent"): _SAFE_DOOR,
    ("2021-1", "CashManagement.SafeDoorOpenEvent"): _SAFE_DOOR,
    ("2021-1", "Printer.GetCodelineMapping"): "no later version reads a code line",
    ("2023-2", "KeyManagement.DeriveKey"): "2024-3 withdrew key derivation",
    ("2023-2", "Printer.DefinitionLoadedEvent"): _FORMS,
    ("2023-2", "Printer.LoadDefinition"): _FORMS,
    ("2023-2", "Printer.ResetCount"): f"{_BINS}: Storage.SetStorage sets their counts",
    ("2023-2", "Printer.RetractBinStatusEvent"): f"{_BINS}: Storage.StorageChangedEvent tells their status",
    ("2023-2", "Printer.RetractBinThresholdEvent"): f"{_BINS}: Storage.StorageThresholdEvent tells it",
    ("2023-2", "TextTerminal.FormLoadedEvent"): _STILL,
    ("2023-2", "TextTerminal.LoadForm"): _STILL,
}
"""By the last version that has it: why the message is not served any more, or that it still is."""
