"""Another system takes the events of a fleet: each at least once, and after a restart from where it was.

    xfs4iot fleet --tenant bank consumer add reconciliation --interface CashDispenser --interface Storage
    python fleet_events.py nats://127.0.0.1:4222 bank reconciliation

With a broker over TLS: ca.pem, reconciliation.pem and reconciliation.key in the current directory, with the
alternative name xfs4iot://consumer/reconciliation. This one uses nats-py (pip install nats-py).
"""

import asyncio
import json
import ssl
import sys

import nats


async def main(server: str, tenant: str, consumer: str) -> None:
    context = None
    if server.startswith("tls:"):
        context = ssl.create_default_context(cafile="ca.pem")
        context.load_cert_chain(f"{consumer}.pem", f"{consumer}.key")
    # By its certificate it may hear nothing but this.
    inbox = f"_INBOX.{tenant}.c.{consumer}".encode()
    client = await nats.connect(server, tls=context, inbox_prefix=inbox)
    events = await client.jetstream().pull_subscribe_bind(consumer, stream=f"x4-{tenant}-events")
    latest: dict[str, tuple[int, int]] = {}
    while True:
        try:
            batch = await events.fetch(100, timeout=5)
        except TimeoutError:
            continue
        for message in batch:
            # The broker vouches for the subject, and nobody for what is said in the body.
            device = message.subject.split(".")[2]
            event = json.loads(message.data)
            place = event["epoch"], event["number"]
            # What comes again has been seen: its acknowledgement was lost. Keep this with what is made of it.
            if place > latest.get(device, (0, 0)):
                latest[device] = place
                if "before" in event:
                    # A new start of the device. Without an end in order its last moment may be missing.
                    print(device, event["at"], "began anew", event["before"], flush=True)
                else:
                    print(
                        device,
                        event["at"],
                        event["service"],
                        event["event"],
                        event.get("payload"),
                        flush=True,
                    )
            await message.ack()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
