"""An application: a customer pays a cheque in; its code line is shown, and its picture kept."""

import base64
import sys
from pathlib import Path

import trio

import xfs4iot

FRONT = {"source": "front", "type": "jpg", "colorFormat": "grayScale", "scanColor": "white"}


async def main(uri, folder):
    def seen(event):
        if event.name == "Check.MediaDataEvent":
            number = event.payload["mediaID"]
            print("cheque", number, "reads", event.payload.get("codelineData"))
            for image in event.payload.get("image", []):
                if image["imageStatus"] == "ok":
                    Path(folder, f"cheque{number}.jpg").write_bytes(base64.b64decode(image["image"]))
        elif event.name == "Check.MediaRefusedEvent":
            print("given back:", event.payload["reason"])

    async with xfs4iot.connect(uri) as scanner:
        units = (await scanner.call("Storage.GetStorage"))["storage"]
        # Cheques go to the first unit that is for accepted ones; those that nobody says this of go back.
        accepts = (name for name, unit in units.items() if unit["check"]["configuration"]["types"]["mediaIn"])
        wanted = {"codelineFormat": "e13b", "image": [FRONT]}
        try:
            await scanner.call("Check.MediaIn", wanted, timeout=60, on_event=seen)
            await scanner.call("Check.SetMediaParameters", {"destination": next(accepts)})
            ended = await scanner.call("Check.MediaInEnd", timeout=60)
            print("stored; given back:", ended["mediaInEnd"]["itemsReturned"])
        except xfs4iot.CommandFailed as failed:
            print(failed.completion_code, failed.error_code, failed.description)


trio.run(main, *sys.argv[1:])
