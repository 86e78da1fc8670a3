"""A withdrawal: card in, chip read, PIN entered, host asked, notes and receipt out, card out."""

from __future__ import annotations

import base64
from decimal import Decimal

from xfs4iot.stories.books import compare_cash, units_of
from xfs4iot.stories.chip import Account, Chip, Cryptogram
from xfs4iot.stories.entering import enter_pin
from xfs4iot.stories.host import APPROVED, Wish
from xfs4iot.stories.paying import pay_out
from xfs4iot.stories.receipt import print_receipt
from xfs4iot.stories.stage import Stage

__all__ = ["play"]

AMOUNT = Decimal(230)
CARD, PIN = "credit", "1234"
PIN_KEY = "PinKey"


async def play(stage: Stage) -> None:
    """A customer with card and PIN withdraws 230 EUR."""
    before = await units_of(stage, "CashDispenser")
    await load_pin_key(stage)
    chip = await take_card_in(stage)
    account = await read_chip(stage, chip)
    await enter_pin(stage, PIN)
    pin_block = await make_pin_block(stage, account)
    question = await ask_chip(stage, chip)
    await ask_host(stage, chip, account, pin_block, question)
    await pay_out(stage, AMOUNT)
    await print_receipt(
        stage,
        "Withdrawal",
        [("Card", account.shown), ("Amount", f"{AMOUNT} EUR"), ("Transaction", str(question.counter))],
        f"withdrawal {question.counter} {AMOUNT} EUR",
    )
    await give_card_back(stage)
    await compare_cash(stage, before)


async def load_pin_key(stage: Stage) -> None:
    """The host's key comes by TR-31, as it does once in a machine's life."""
    async with stage.step("PIN key loaded") as step:
        request = {
            "key": PIN_KEY,
            "value": stage.host.key_block(),
            "decryptKey": stage.host.protection_key(),
            "verifyAttributes": {"cryptoMethod": "kcvZero"},
        }
        loaded = await stage.call("KeyManagement.ImportKey", request)
        stage.expect("the check value to be", stage.host.check_value(), loaded["verificationData"])
        check = base64.b64decode(loaded["verificationData"]).hex().upper()
        step.saw(f"a TR-31 key block of usage P0; its check value is the host's, {check}")


async def take_card_in(stage: Stage) -> Chip:
    """The customer inserts his card as soon as he is asked to."""
    async with stage.step("Card in") as step:
        inserted = ("Simulator.InsertCard", {"card": CARD})
        read = await stage.call(
            "CardReader.ReadRawData", {"chip": True}, when={"CardReader.InsertCardEvent": inserted}
        )
        answer = base64.b64decode(read["chip"][0]["data"])
        step.saw(f"the chip answers its reset with {len(answer)} bytes")
    return Chip(stage)


async def read_chip(stage: Stage, chip: Chip) -> Account:
    """Its application, and whose it is."""
    async with stage.step("Application selected") as step:
        step.saw(await chip.select())
    async with stage.step("Records read") as step:
        account = await chip.read()
        step.saw(f"card {account.shown}, good until {account.expiry}")
    return account


async def make_pin_block(stage: Stage, account: Account) -> bytes:
    """The PIN leaves the device encrypted, bound to the card's number."""
    async with stage.step("PIN block made") as step:
        request = {"format": "iso4", "customerData": account.pan, "key": PIN_KEY}
        block = base64.b64decode((await stage.call("PinPad.GetPinBlock", request))["pinBlock"])
        step.saw(f"ISO 9564 format 4, {len(block)} bytes under the host's key")
    return block


async def ask_chip(stage: Stage, chip: Chip) -> Cryptogram:
    """GENERATE AC: the chip wants its issuer to decide."""
    async with stage.step("Chip asked") as step:
        question = await chip.ask_online(AMOUNT)
        stage.expect("the chip to make an", "ARQC", question.kind)
        step.saw(f"an ARQC for {AMOUNT} EUR, transaction {question.counter}")
    return question


async def ask_host(
    stage: Stage, chip: Chip, account: Account, pin_block: bytes, question: Cryptogram
) -> None:
    """The host looks at the PIN and the cryptogram; its answer goes to the chip."""
    async with stage.step("Host authorises") as step:
        answer = stage.host.authorise(
            Wish(account.pan, account.sequence, pin_block, question.signed, question.counter, question.value)
        )
        stage.expect("the PIN to be right:", True, answer.pin)
        stage.expect("the cryptogram to be the card's:", True, answer.genuine)
        step.saw("the test host finds the PIN right and the cryptogram genuine")
    async with stage.step("Chip answered") as step:
        certificate = await chip.answered(answer.issuer, APPROVED)
        stage.expect("the chip to make a", "TC", certificate.kind)
        step.saw("the chip knows its issuer, and approves (TC)")


async def give_card_back(stage: Stage) -> None:
    """To the exit, and into the customer's hand."""
    async with stage.step("Card out") as step:
        await stage.call("CardReader.Move", {"from": "transport", "to": "exit"})
        step.saw("it is at the exit")
    async with stage.step("Card taken") as step:
        await stage.hand("TakeCard", then=("CardReader", "CardReader.MediaRemovedEvent"))
        step.saw("the customer has it")
