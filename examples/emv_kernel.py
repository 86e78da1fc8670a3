"""A small EMV kernel: from the card in the slot to its last cryptogram, with PIN and issuer."""

import base64
import sys

import trio

import xfs4iot

# What a terminal knows, by tag: amount 12.30, Germany, euros, a day, an unpredictable number.
TERMINAL = {
    0x9F02: "000000001230", 0x9F1A: "0280", 0x5F2A: "0978", 0x9A: "261127", 0x9C: "00", 0x9F37: "11223344",
}  # fmt: skip


def objects(data):
    """Tag, length, value: all of them by tag, those inside of templates as well."""
    found, at = {}, 0
    while at < len(data):
        size = 2 if data[at] & 0x1F == 0x1F else 1
        tag, at = int.from_bytes(data[at : at + size]), at + size
        long = data[at] & 0x7F if data[at] > 0x7F else 0
        length, at = int.from_bytes(data[at + 1 : at + 1 + long]) if long else data[at], at + 1 + long
        value, at = data[at : at + length], at + length
        # Templates: what counts is inside.
        found |= objects(value) if tag in (0x6F, 0xA5, 0x70, 0x61) else {tag: value}
    return found


def listed(wanted):
    """What a data object list of the card (PDOL, CDOL) asks for; zeros for what is not known."""
    made, at = b"", 0
    while at < len(wanted):
        size = 2 if wanted[at] & 0x1F == 0x1F else 1
        tag, length = int.from_bytes(wanted[at : at + size]), wanted[at + size]
        made, at = made + bytes.fromhex(TERMINAL.get(tag, "00" * length)), at + size + 1
    return made


async def main(uri, simulator_uri):
    async with xfs4iot.connect(uri) as reader, xfs4iot.connect(simulator_uri) as simulator:

        async def send(command):
            """A command to the chip; its answer, which has to end with 9000."""
            data = {"chipProtocol": "chipT0", "chipData": base64.b64encode(command).decode()}
            answer = base64.b64decode((await reader.call("CardReader.ChipIO", data))["chipData"])
            if answer[0] == 0x61:  # with T=0 an answer is fetched
                return await send(b"\x00\xc0\x00\x00" + answer[1:2])
            if answer[0] == 0x6C:  # or asked for again, by its right length
                return await send(command[:4] + answer[1:2])
            assert answer[-2:] == b"\x90\x00", answer[-2:].hex()
            return answer[:-2]

        async def ask(head, data=b""):
            return await send(bytes.fromhex(head) + bytes([len(data)]) * bool(data) + data)

        async def generate(kind, wanted):
            made = objects(await ask(f"80AE{kind}00", listed(wanted)))[0x80]
            names = {0x40: "TC", 0x80: "ARQC", 0x00: "AAC"}
            print(f"{names[made[0]]}, transaction {int.from_bytes(made[1:3])}")

        await simulator.call("Simulator.InsertCard", {"card": "credit"})
        read = await reader.call("CardReader.ReadRawData", {"chip": True}, timeout=30)
        print("ATR", base64.b64decode(read["chip"][0]["data"]).hex())

        directory = objects(await ask("00A40400", b"1PAY.SYS.DDF01"))[0x88][0]
        entry = objects(await ask(f"00B201{directory << 3 | 4:02X}00"))
        card = objects(await ask("00A40400", entry[0x4F]))
        print(card[0x50].decode(), entry[0x4F].hex())

        options = listed(card[0x9F38])
        profile = objects(await ask("80A80000", bytes([0x83, len(options)]) + options))[0x80]
        for at in range(2, len(profile), 4):
            file, first, last, _ = profile[at : at + 4]
            for number in range(first, last + 1):
                card |= objects(await ask(f"00B2{number:02X}{file | 4:02X}00"))
        print("expires", card[0x5F24].hex(), "and is", card[0x5A].hex()[:6], "...", card[0x5A].hex()[-4:])

        await ask("00200080", bytes.fromhex("241234FFFFFFFFFF"))
        print("PIN right")
        await generate("80", card[0x8C])
        issuer = await simulator.call("Simulator.AnswerAsIssuer", {"code": "00"})
        await ask("00820000", bytes.fromhex(issuer["answer"]))
        TERMINAL[0x8A] = b"00".hex()
        await generate("40", card[0x8D])

        await reader.call("CardReader.Move", {"from": "transport", "to": "exit"}, timeout=30)
        await simulator.call("Simulator.TakeCard")


trio.run(main, *sys.argv[1:])
