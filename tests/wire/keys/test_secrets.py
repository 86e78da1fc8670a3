"""Keys and PINs are in no file of the service: not in its ledger, its log, or its devices' truth."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import trio
from fingers import pin_entered, secure_entered
from host import KBPK, block
from test_key_management import publisher_with

from dialogue import Dialogue, dialogue
from xfs4iot.ledger import Ledger

TDES = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PART = bytes.fromhex("3b1f0a5577992cd4e6a8f0112233c4d5")
PAN = "401234567890"


async def test_no_file_has_a_key_a_pin_or_a_pan(tmp_path: Path) -> None:
    log = logging.FileHandler(tmp_path / "service.log", encoding="utf-8")
    logging.getLogger("xfs4iot").addHandler(log)
    logging.getLogger("xfs4iot").setLevel(logging.DEBUG)
    ledger = Ledger.open(tmp_path / "ledger.db")
    try:
        async with trio.open_nursery() as nursery:
            publisher = await publisher_with(
                nursery,
                tmp_path,
                kinds='KeyManagement", "Crypto", "Keyboard", "PinPad',
                ledger=ledger,
                state=tmp_path,
                TestKbpk=("K1", "A", "D", KBPK.hex()),
            )
            pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
            simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
            request = {"key": "PEK", "value": block("P0 T E", TDES), "decryptKey": "TestKbpk"}
            await pad.success("KeyManagement.ImportKey", request)
            await secure_entered(pad, simulator, PART)
            attributes = {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"}
            part = {"key": "Master", "keyAttributes": attributes, "constructing": True}
            await pad.success("KeyManagement.ImportKey", part)
            await pin_entered(pad, simulator, "730519")
            request = {"format": "iso0", "customerData": PAN, "key": "PEK"}
            await pad.success("PinPad.GetPinBlock", request)
            await pad.failure("PinPad.GetPinBlock", request)
            await pad.failure("PinPad.GetPinBlock", {**request, "customerData": PAN + "12"})
            nursery.cancel_scope.cancel()
    finally:
        ledger.close()
        logging.getLogger("xfs4iot").removeHandler(log)
        logging.getLogger("xfs4iot").setLevel(logging.NOTSET)
        log.close()
    require_clean(tmp_path)


def require_clean(directory: Path) -> None:
    files = [file for file in sorted(directory.iterdir()) if file.name != "profile.toml"]
    assert {"PinPad.secure", "ledger.db", "service.log"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        for value in (TDES, PART, KBPK):
            for form in (value, value.hex().encode(), value.hex().upper().encode(), base64.b64encode(value)):
                assert form not in content, file.name
        for text in (b"730519", bytes([7, 3, 0, 5, 1, 9]), PAN.encode()):
            assert text not in content, file.name
