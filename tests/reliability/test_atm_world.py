"""Whatever people, applications and bad luck do to a whole ATM, in whatever order: all is somewhere, once.

Hypothesis plays all devices of one ATM against its services over the wire: cards, PIN pad, printers, cheques,
envelopes and cash, fingers, pictures, barcodes, lights, doors, the display and the modes, with faults and
restarts in the middle of commands. After each step the books of every device agree with the simulated world,
and nothing has appeared there or is lost. What one device goes through changes nothing at the others.
"""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from accounts import Found, accounts
from dialogue import outcome
from host_thread import Host, explore
from xfs4iot.ledger import LedgerReader
from xfs4iot.stories.host import Host as Bank

SERVICES = (
    "CashDispenser",
    "CardReader",
    "PinPad",
    "ReceiptPrinter",
    "JournalPrinter",
    "Check",
    "Deposit",
    "BarcodeReader",
    "Biometric",
    "Camera",
    "Lights",
    "TextTerminal",
    "Auxiliaries",
    "VendorMode",
    "VendorApplication",
)
CASH, ENVELOPES = 1700, 100
FAULTS = {
    "CashDispenser": ("jam", "rejects", "breaks", "misreads", "incompleteRetract"),
    "CardReader": ("cardJamsEntering", "cardJamsLeaving", "cardSwallowed", "chipMute", "entranceStuck"),
    "PinPad": ("pinLost", "busyModule", "stuckKey"),
    "ReceiptPrinter": ("paperJams", "mediaJams", "cutterFails", "printerBreaks"),
    "Check": ("chequeJams", "returnJams", "doubleFeed", "pocketJams", "slotStuck"),
    "Deposit": ("depositJams", "printerFails", "shutterBlockedOpen", "customerHolds", "envelopeJams"),
    "JournalPrinter": ("paperJams", "printerBreaks"),
    "BarcodeReader": ("glare", "givesUp", "scannerBreaks", "resetFails"),
    "Biometric": ("badImage", "notLive", "memoryFull", "sensorBreaks"),
    "Camera": ("cameraDead", "lensCovered", "pictureBroken", "noDisk"),
    "Lights": ("controllerOffline",),
    "TextTerminal": ("displayDead", "keysDead", "resolutionFails", "soundDead"),
    "Auxiliaries": ("setFails", "boltBlocked", "sensorsDead"),
    "VendorMode": ("refuses",),
    "VendorApplication": ("screenStuck", "screenUnknown"),
}
IMAGE = {"source": "front", "type": "jpg", "colorFormat": "grayScale", "scanColor": "white"}
FORM = {
    "unit": {"base": "mm", "x": 1, "y": 1},
    "size": {"width": 60, "height": 20},
    "fields": {"line": {"position": {"x": 2, "y": 2}, "size": {"width": 50, "height": 8}}},
}
FMD = {"format": "isoFmd"}
SCREEN = {
    "size": {"width": 20, "height": 3},
    "fields": {"line": {"position": {"x": 0, "y": 0}, "size": {"width": 5, "height": 1}}},
}
DIGITS = ("one", "two", "three", "four")
ENDS: dict[str, dict[str, Any]] = {"enter": {"terminate": True}, "cancel": {"terminate": True}}
KEYS = {**{digit: {} for digit in DIGITS}, **ENDS}


class ATMWorld(RuleBasedStateMachine):
    """One ATM, and everybody who has to do with it."""

    def __init__(self) -> None:
        super().__init__()
        self.host = Host(*SERVICES)
        self.bank = Bank()
        self.cheques = self.envelopes = 0
        self.keys: frozenset[str] = frozenset()
        self.forms: frozenset[str] = frozenset()
        self.screens: frozenset[str] = frozenset()
        self.pictures = 0
        self.codes: Counter[str] = Counter()
        self.found: Found | None = None

    def teardown(self) -> None:
        self.host.end()

    def ended(self, completion: dict[str, Any]) -> str:
        """How a command ended; never by a mistake of the service."""
        code = outcome(completion)
        assert code not in ("internalError", "invalidData", "unsupportedCommand"), completion
        self.codes[code] += 1
        return code

    def call(self, service: str, name: str, payload: Any = None) -> str:
        return self.ended(self.host.run(self.host.clients[service].completion, name, payload))

    def attended(self, service: str, name: str, payload: Any, event: str, hand: str, done: Any) -> str:
        return self.ended(self.host.run(self.host.attended, service, name, payload, event, hand, done))

    def hand(self, name: str, /, **payload: Any) -> dict[str, Any] | None:
        """Somebody does something, if it can be done; the payload of the completion if it was."""
        completion = self.host.run(self.host.clients["Simulator"].completion, f"Simulator.{name}", payload)
        return (completion.get("payload") or {}) if outcome(completion) == "success" else None

    # Cards.

    @rule(card=st.sampled_from(["credit", "debit", "stripe", "worn"]), chip=st.booleans())
    def card_comes(self, card: str, chip: bool) -> None:
        self.attended(
            "CardReader",
            "CardReader.ReadRawData",
            {"chip": True} if chip else {"track2": True},
            "CardReader.InsertCardEvent",
            "InsertCard",
            {"card": card},
        )

    @rule(to=st.sampled_from(["exit", "transport", "unitBIN1", "unitPARK1"]), back=st.booleans())
    def card_moves(self, to: str, back: bool) -> None:
        source = "exit" if back else "transport"
        if source != to:
            self.call("CardReader", "CardReader.Move", {"from": source, "to": to})

    @rule(to=st.sampled_from(["exit", "retain"]))
    def reader_is_reset(self, to: str) -> None:
        self.call("CardReader", "CardReader.Reset", {"to": to})

    @rule()
    def chip_is_asked(self) -> None:
        select = base64.b64encode(bytes.fromhex("00A404000E315041592E5359532E444446303100")).decode()
        self.call("CardReader", "CardReader.ChipIO", {"chipProtocol": "chipT0", "chipData": select})

    @rule(name=st.sampled_from(["TakeCard", "PullOutCard", "ForgetCard"]))
    def card_goes(self, name: str) -> None:
        self.hand(name)

    # Keys and PINs.

    @rule(name=st.sampled_from(["PinKey", "Other"]))
    def key_comes(self, name: str) -> None:
        request = {"key": name, "value": self.bank.key_block(), "decryptKey": "TestKbpk"}
        if self.call("PinPad", "KeyManagement.ImportKey", request) == "success":
            self.keys |= {name}

    @rule(name=st.sampled_from(["PinKey", "Other"]))
    def key_is_deleted(self, name: str) -> None:
        if self.call("PinPad", "KeyManagement.DeleteKey", {"key": name}) == "success":
            self.keys -= {name}

    @rule(last=st.sampled_from(["enter", "cancel"]))
    def pin_is_entered(self, last: str) -> None:
        request = {"minLen": 4, "maxLen": 6, "autoEnd": False, "activeKeys": KEYS}
        self.attended(
            "PinPad",
            "Keyboard.PinEntry",
            request,
            "Keyboard.EnterDataEvent",
            "PressPinPadKeys",
            {"keys": [*DIGITS, last]},
        )

    @rule(name=st.sampled_from(["PinKey", "Other"]))
    def pin_leaves(self, name: str) -> None:
        request = {"format": "iso4", "customerData": "4761739001010010", "key": name}
        self.call("PinPad", "PinPad.GetPinBlock", request)

    # Paper.

    @rule(name=st.sampled_from(["Receipt", "Journal"]))
    def form_comes(self, name: str) -> None:
        if self.call("ReceiptPrinter", "Printer.SetForm", {"name": name, "form": FORM}) == "success":
            self.forms |= {name}

    @rule(name=st.sampled_from(["Receipt", "Journal"]), out=st.booleans())
    def form_is_printed(self, name: str, out: bool) -> None:
        request: dict[str, Any] = {"formName": name, "fields": {"line": "4711"}}
        if out:
            request["mediaControl"] = {"cut": True, "move": "eject"}
        self.call("ReceiptPrinter", "Printer.PrintForm", request)

    @rule(command=st.sampled_from(["RetractMedia", "Reset"]))
    def paper_is_taken_back(self, command: str) -> None:
        self.call("ReceiptPrinter", f"Printer.{command}", {"mediaControl": "unitRETRACT1"})

    @rule()
    def paper_is_taken(self) -> None:
        self.hand("TakePrintouts", service="ReceiptPrinter")

    # Cheques.

    @rule(count=st.integers(1, 3), odd=st.booleans())
    def cheques_come(self, count: int, odd: bool) -> None:
        items = [{"staple": odd and number == 0} for number in range(count)]
        if self.hand("InsertCheques", items=items) is not None:
            self.cheques += count
        self.call("Check", "Check.MediaIn", {"codelineFormat": "e13b", "image": [IMAGE]})

    @rule(where=st.sampled_from(["unitPOCKET1", "unitPOCKET2", "customer"]))
    def cheques_get_a_destination(self, where: str) -> None:
        self.call("Check", "Check.SetMediaParameters", {"destination": where})

    @rule(command=st.sampled_from(["MediaInEnd", "MediaInEnd", "MediaInRollback"]))
    def cheques_are_done(self, command: str) -> None:
        self.call("Check", f"Check.{command}")

    @rule(to=st.sampled_from(["eject", "unitRETRACT"]))
    def scanner_is_reset(self, to: str) -> None:
        self.call("Check", "Check.Reset", {"mediaControl": to})

    @rule(name=st.sampled_from(["TakeCheques", "TakeBackCheques"]))
    def cheques_go(self, name: str) -> None:
        taken = self.hand(name)
        self.cheques -= (taken or {}).get("count", 0)

    # Envelopes.

    @rule(thick=st.booleans())
    def envelope_comes(self, thick: bool) -> None:
        before = self.there()["Deposit"]
        self.attended(
            "Deposit",
            "Deposit.Entry",
            None,
            "Deposit.InsertDepositEvent",
            "InsertEnvelope",
            {"envelope": {"thickness": 60} if thick else {}},
        )
        self.envelopes += _envelopes(self.there()["Deposit"]) - _envelopes(before)
        assert self.envelopes >= 0

    @rule(command=st.sampled_from(["Dispense", "Retract"]))
    def envelope_is_given(self, command: str) -> None:
        self.call("Deposit", f"Deposit.{command}")

    @rule()
    def depository_is_reset(self) -> None:
        self.call("Deposit", "Deposit.Reset", {"depMediaControl": "retract"})

    @rule()
    def envelope_is_taken(self) -> None:
        self.hand("TakeEnvelope")

    # Notes.

    @rule(value=st.integers(1, 60).map(lambda tens: 10 * tens), out=st.booleans())
    def notes_are_dispensed(self, value: int, out: bool) -> None:
        wanted = {"denomination": {"service": {"currencies": {"EUR": value}, "mix": "mix1"}}}
        self.call("CashDispenser", "CashDispenser.Dispense", {"denomination": wanted})
        if out:
            self.call("CashDispenser", "CashDispenser.Present", {})

    @rule(count=st.integers(1, 4))
    def notes_come(self, count: int) -> None:
        self.call("CashDispenser", "CashAcceptor.CashInStart", {})
        self.attended(
            "CashDispenser",
            "CashAcceptor.CashIn",
            None,
            "CashAcceptor.InsertItemsEvent",
            "InsertNotes",
            {"notes": [{"note": "EUR20", "count": count}, {"count": 1}]},
        )

    @rule(command=st.sampled_from(["CashInEnd", "CashInRollback"]))
    def notes_are_done(self, command: str) -> None:
        self.call("CashDispenser", f"CashAcceptor.{command}")

    @rule()
    def cash_device_is_reset(self) -> None:
        self.call("CashDispenser", "CashManagement.Reset", {"position": {"target": "reject"}})

    @rule(name=st.sampled_from(["TakeItems", "TakeBack"]))
    def notes_go(self, name: str) -> None:
        self.hand(name, service="CashDispenser")

    # What has no books of its own, or few.

    @rule(finger=st.sampled_from(["alice", "bob", "carol"]))
    def finger_is_read(self, finger: str) -> None:
        request = {"dataTypes": [FMD], "numCaptures": 1, "mode": "scan"}
        self.attended(
            "Biometric",
            "Biometric.Read",
            request,
            "Biometric.PresentSubjectEvent",
            "PresentFinger",
            {"finger": finger},
        )
        self.hand("LiftFinger")

    @rule(finger=st.sampled_from(["alice", "bob"]))
    def customer_is_known(self, finger: str) -> None:
        found = self.hand("GetTemplate", finger=finger)
        assert found is not None
        templates = [{"type": FMD, "data": found["templateData"]}]
        self.call("Biometric", "Biometric.Import", {"templates": templates})

    @rule(command=st.sampled_from(["Clear", "Reset"]))
    def customers_are_forgotten(self, command: str) -> None:
        self.call("Biometric", f"Biometric.{command}", {})

    @rule(camera=st.sampled_from(["room", "person"]))
    def picture_is_taken(self, camera: str) -> None:
        if self.call("Camera", "Camera.TakePicture", {"camera": camera}) == "success":
            self.pictures += 1

    @rule(text=st.sampled_from(["4711", "0815"]))
    def barcode_is_read(self, text: str) -> None:
        self.hand("ShowBarcode", symbology="qrCode", text=text)
        self.call("BarcodeReader", "BarcodeReader.Read", {"symbologies": {"qrCode": True}})
        self.hand("TakeAwayBarcodes")

    @rule()
    def scanner_of_codes_is_reset(self) -> None:
        self.call("BarcodeReader", "BarcodeReader.Reset")

    @rule(light=st.sampled_from(["cardReader", "notesDispenser"]), rate=st.sampled_from(["off", "slow"]))
    def light_is_set(self, light: str, rate: str) -> None:
        self.call("Lights", "Lights.SetLight", {light: {"default": {"flashRate": rate}}})

    @rule(engage=st.booleans())
    def power_supply_is_set(self, engage: bool) -> None:
        self.call("Auxiliaries", "Auxiliaries.SetAuxiliaries", {"ups": "engage" if engage else "disengage"})

    @rule(to=st.sampled_from(["run", "maintenance", "supervisor"]))
    def switch_is_turned(self, to: str) -> None:
        self.hand("SetAuxiliary", name="operatorSwitch", value=to)

    @rule(name=st.sampled_from(["Menu", "Counts"]))
    def screen_comes(self, name: str) -> None:
        if self.call("TextTerminal", "TextTerminal.SetForm", {"name": name, "form": SCREEN}) == "success":
            self.screens |= {name}

    @rule(name=st.sampled_from(["Menu", "Counts"]))
    def screen_is_shown(self, name: str) -> None:
        self.call("TextTerminal", "TextTerminal.WriteForm", {"formName": name, "fields": {"line": "47"}})

    @rule(command=st.sampled_from(["EnterModeRequest", "ExitModeRequest"]))
    def mode_changes(self, command: str) -> None:
        self.call("VendorMode", f"VendorMode.{command}")

    @rule(on=st.sampled_from(["consumer", "operator"]))
    def application_changes_its_screen(self, on: str) -> None:
        self.call("VendorApplication", "VendorApplication.SetActiveInterface", {"activeInterface": on})

    @rule()
    def journal_is_printed(self) -> None:
        self.call("JournalPrinter", "Printer.PrintRaw", {"inputData": "no", "data": "NDcxMQo="})

    # Bad luck.

    @rule(service=st.sampled_from(SERVICES), data=st.data())
    def something_fails(self, service: str, data: st.DataObject) -> None:
        fault = data.draw(st.sampled_from(FAULTS[service]))
        assert self.hand("Inject", service=service, fault=fault) is not None

    @rule()
    def everything_works_again(self) -> None:
        self.hand("ClearFaults")

    @rule(
        going_on=st.sampled_from(
            [
                None,
                ("CashDispenser", "CashDispenser.Present", {}),
                ("CashDispenser", "CashAcceptor.CashInEnd", None),
                ("CardReader", "CardReader.Move", {"from": "transport", "to": "exit"}),
                ("CardReader", "CardReader.Move", {"from": "transport", "to": "unitBIN1"}),
                ("ReceiptPrinter", "Printer.PrintForm", {"formName": "Receipt", "fields": {"line": "1"}}),
                ("ReceiptPrinter", "Printer.RetractMedia", {"mediaControl": "unitRETRACT1"}),
                ("Check", "Check.MediaInEnd", None),
                ("Check", "Check.MediaInRollback", None),
                ("Deposit", "Deposit.Dispense", None),
                ("PinPad", "Keyboard.PinEntry", {"minLen": 4, "maxLen": 6, "activeKeys": ENDS}),
            ]
        )
    )
    def restart(self, going_on: tuple[str, str, Any] | None) -> None:
        if going_on is not None:
            service, command, payload = going_on
            self.host.run(self.host.clients[service].send, command, payload)
        self.host.restart()

    def there(self) -> dict[str, Any]:
        truth: dict[str, Any] = self.host.run(self.host.ask, "Simulator", "Simulator.GetTruth")["services"]
        return truth

    @invariant()
    def everything_is_accounted_for(self) -> None:
        found = self.host.run(accounts, self.host.ask)
        assert found.cash == CASH
        assert found.cheques == self.cheques
        assert found.envelopes == ENVELOPES + self.envelopes
        assert found.keys & {"PinKey", "Other"} == self.keys
        assert found.forms == self.forms
        self.few_books_agree(found.truth)
        with LedgerReader.open(self.host.ledger) as reader:
            assert reader.verify().problems == []
            assert reader.open_intents() == []

    def few_books_agree(self, truth: dict[str, Any]) -> None:
        listed = self.host.run(self.host.clients["TextTerminal"].success, "TextTerminal.GetFormList")
        assert frozenset(listed.get("formList") or ()) == self.screens
        pictures = self.host.run(self.host.ask, "Camera", "Common.Status")["camera"]["pictures"]
        assert sum(pictures.values()) == self.pictures == sum(truth["Camera"]["pictures"].values())
        told = self.host.run(self.host.clients["Biometric"].completion, "Biometric.GetStorageInfo")
        assert len((told.get("payload") or {}).get("templates") or ()) == truth["Biometric"]["templates"]


def _envelopes(truth: dict[str, Any]) -> int:
    held = sum(len(truth[place]) for place in ("container", "customer", "lost"))
    return held + sum(truth.get(place) is not None for place in ("slot", "way")) + int(truth["supply"])


@pytest.mark.parametrize(
    ("examples", "steps"),
    [pytest.param(6, 25, id="short"), pytest.param(150, 50, id="long", marks=pytest.mark.long)],
)
def test_everything_is_accounted_for_after_any_sequence(examples: int, steps: int) -> None:
    explore(ATMWorld, examples, steps)
