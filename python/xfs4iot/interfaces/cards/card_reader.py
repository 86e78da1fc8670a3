"""CardReader: taking cards in, reading and writing them, moving them, and talking to their chips.

The service keeps track of where the card is (`media`) and whether its chip is powered (`chipPower`), from the
results of the device's operations and from its sensors:

    media        is left by
    notPresent   ReadRawData, WriteRawData: entering, present; Move from a unit
    entering     the card is taken: notPresent; drawn in: present; Move
    present      Move to the exit: entering (a latched dip releases: present); to a unit: notPresent
    latched      a chip read of a latched dip; released by Move to the exit
    jammed       CardReader.Reset
    unknown      CardReader.Reset, or sensors that see again

    chipPower    is left by
    noCard       a card comes in: poweredOff, or noDevice if it turns out to have no chip
    poweredOff   an ATR: online; a mute chip: hardwareError
    online       ChipIO: busy while it lasts; ChipPower off; the card leaves its place

An ATR belongs to one insertion: it is void once the card is released, moved or taken, or the reader reset.
Movements are booked before and after (`movement`); taking a card in is in `reading` and `state`, contactless
transactions are in `contactless`. Tracks, chip data and keys are never logged.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.interfaces.cards import checks, contactless
from xfs4iot.interfaces.cards.movement import MOVE, RESET, TAKEN, Way
from xfs4iot.interfaces.cards.reading import content_told, possible_content
from xfs4iot.interfaces.cards.sources import wanted, writes
from xfs4iot.interfaces.cards.state import ReaderState
from xfs4iot.interfaces.checks import device_ready
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.messages import card_reader as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import handles
from xfs4iot.server.results import require_defined

__all__ = ["CardReader"]


def _moves_cards(on: CardReader) -> bool:
    return on.device.reader_type not in ("swipe", "dip", "permanent")


def _takes_cards(on: CardReader) -> bool:
    return on.device.reader_type != "permanent"


def _has_kernels(on: CardReader) -> bool:
    return on.device.reader_type == "intelligentContactless"


class CardReader(ReaderState):
    """The interface of card readers."""

    name: ClassVar[str] = "CardReader"

    @handles("CardReader.QueryIFMIdentifier", offered=lambda on: bool(on.device.ifm_identifiers))
    def query_ifm_identifier(self, request: None, command: Command) -> messages.QueryIFMIdentifierCompletion:
        """`CardReader.QueryIFMIdentifier` 2.0."""
        return messages.QueryIFMIdentifierCompletion(
            ifm_identifiers={str(name): text for name, text in self.device.ifm_identifiers.items()}
        )

    @handles("CardReader.EMVClessQueryApplications", offered=_has_kernels)
    def emv_cless_query_applications(
        self, request: None, command: Command
    ) -> messages.EMVClessQueryApplicationsCompletion | None:
        """`CardReader.EMVClessQueryApplications` 2.0, completion 3.0."""
        known = [
            messages.EMVClessQueryApplicationsCompletionAppDataItem(
                aid=one.aid, kernel_identifier=one.kernel or None
            )
            for one in self.device.emv_applications
            if one.aid
        ]
        return messages.EMVClessQueryApplicationsCompletion(app_data=known) if known else None

    @handles(
        "CardReader.Move",
        checks=(
            checks.from_given,
            checks.to_given,
            checks.source_exists,
            checks.target_exists,
            device_ready,
            checks.card_is_the_clients,
            checks.units_not_exchanged,
            checks.not_jammed,
            checks.units_work,
            checks.card_at_source,
            checks.target_free,
            checks.target_not_full,
        ),
        device=("shutterFail", "mediaRetained"),
        asks="move_card",
        offered=_moves_cards,
    )
    async def move(self, request: messages.Move, command: Command) -> None:
        """`CardReader.Move` 2.0: ends when the card is there, not when it is taken."""
        moved = await self.moved(command, MOVE, request.from_ or "", request.to or "")
        if moved.failure is not None:
            raise moved.failure

    @handles(
        "CardReader.ReadRawData",
        checks=(checks.sources_supported, device_ready, checks.card_is_the_clients, checks.not_jammed),
        device=(
            "shutterFail",
            "noMedia",
            "invalidMedia",
            "cardTooShort",
            "cardTooLong",
            "securityFail",
            "cardCollision",
        ),
        asks="read_card",
        offered=_takes_cards,
    )
    async def read_raw_data(
        self, request: messages.ReadRawData | None, command: Command
    ) -> messages.ReadRawDataCompletion | None:
        """`CardReader.ReadRawData` 2.0, completion 3.0; with nothing wanted, a card is taken in."""
        sources = frozenset(wanted(request))
        flux_inactive = request is None or request.flux_inactive is not False
        insertion = await self.take_in(sources, flux_inactive, command)
        if not sources:
            return None
        with trio.CancelScope(shield=True):
            # Shielded: the wait for a card can be given up, reading one that is in cannot.
            possible = partial(possible_content, self.device.reader_type)
            content = await self.ask_card(devices.CardReader.read_card, sources, insertion, believe=possible)
        if "chip" in sources:
            self.show_read(content.chips)
        return content_told(sources, content)

    @handles(
        "CardReader.WriteRawData",
        checks=(
            checks.tracks_given,
            checks.tracks_writable,
            checks.methods_supported,
            checks.tracks_sound,
            device_ready,
            checks.card_is_the_clients,
            checks.not_jammed,
        ),
        device=("shutterFail", "noMedia", "invalidMedia", "cardTooShort", "cardTooLong"),
        asks="write_card",
        offered=lambda on: bool(on.device.write_tracks),
    )
    async def write_raw_data(self, request: messages.WriteRawData, command: Command) -> None:
        """`CardReader.WriteRawData` 3.0, completion 2.0: a write that was cut short is not repeated."""
        tracks = {
            name: devices.CardWrite(track.data, track.write_method) for name, track in writes(request).items()
        }
        insertion = await self.take_in(frozenset(), False, command)
        with trio.CancelScope(shield=True):
            await self.ask_card(devices.CardReader.write_card, tracks, insertion)

    @handles(
        "CardReader.ChipIO",
        checks=(
            checks.chip_data_given,
            checks.chip_data_there,
            checks.protocol_supported,
            device_ready,
            checks.card_is_the_clients,
            checks.not_jammed,
            checks.card_in,
            checks.chip_powered,
        ),
        device=("invalidMedia", "cardCollision"),
        offered=lambda on: bool(on.device.chip_protocols or on.device.memory_chip_protocols),
    )
    async def chip_io(self, request: messages.ChipIO, command: Command) -> messages.ChipIOCompletion:
        """`CardReader.ChipIO` 3.0: what the chip answers is told as it is, whatever its status word."""
        self.show_chip("busy")
        try:
            answer = await self.ask_card(devices.CardReader.chip_io, request.chip_protocol, request.chip_data)
        except errors.CommandError as fault:
            if fault.error_code == "atrNotObtained":
                self.device._chip_contact = "off"
            raise
        finally:
            # Only if it is still busy: a card that left meanwhile has set the status already.
            if self.device.status.card_reader.chip_power == "busy":
                self.show_chip("online" if self.device._chip_contact == "on" else "hardwareError")
        memory = request.chip_protocol is None and self.device.memory_chip_protocols
        return messages.ChipIOCompletion(
            chip_protocol=None if memory else request.chip_protocol or "chipProtocolNotRequired",
            chip_data=answer or None,
        )

    @handles(
        "CardReader.Reset",
        checks=(checks.reset_possible, checks.retain_unit_exists, device_ready, checks.retain_unit_not_full),
        device=("mediaJam", "shutterFail"),
    )
    async def reset(self, request: messages.Reset | None, command: Command) -> None:
        """`CardReader.Reset` 2.0: every card that is found is told by a MediaDetectedEvent."""
        to = (request.to if request is not None else None) or "auto"
        unit = request.storage_id if request is not None and to == "retain" else None

        def possible(done: devices.CardsReset) -> None:
            require_defined(done.failure, command)
            for place, cards in Counter(done.cards).items():
                self.require_real(place)
                if cards > self.room(place):
                    raise Mismatch(f"{self.room(place)} at most", f"{cards} cards at {place}", "cards")
                self.ways.require_room(place, cards)

        async def ask(events: devices.MovingCard) -> devices.CardsReset:
            # Taken before the call, to notice a card that the customer takes while the reset still runs.
            takings = self.device._card_takings
            done = await self.service.operations.ask(
                devices.CardReader.reset, to, unit, events, moving=True, believe=possible
            )
            self.show_reset(done, takings)
            self.contactless.happened("reset")
            return done

        def ways(done: devices.CardsReset) -> tuple[Way, ...]:
            if not done.cards and done.failure is None:
                # Whatever was in the reader has left it unseen.
                return (("transport", TAKEN),)
            return tuple(("transport", place) for place in done.cards if place != "transport")

        planned = ("transport", unit or ("exit" if to == "exit" else "unknown"))
        done = await self.ways.carry_out(command, RESET, planned, ask, ways)
        for place in done.cards:
            if place not in ("unknown", "latched"):
                self.service.broadcast(messages.MediaDetectedEvent(position=place))
        if done.failure is not None:
            raise done.failure

    @handles(
        "CardReader.ChipPower",
        checks=(
            checks.action_given,
            checks.action_supported,
            device_ready,
            checks.card_is_the_clients,
            checks.not_jammed,
            checks.card_in,
            checks.chip_contacted,
        ),
        device=("invalidMedia", "invalidData"),
        offered=lambda on: bool(on.device.chip_power_actions),
    )
    async def chip_power(
        self, request: messages.ChipPower, command: Command
    ) -> messages.ChipPowerCompletion | None:
        """`CardReader.ChipPower` 2.0, completion 3.0: a reset answers with the ATR."""
        action, takings = request.chip_power, self.device._card_takings
        try:
            atr = await self.ask_card(devices.CardReader.chip_power, action)
        except errors.CommandError as fault:
            if fault.error_code == "atrNotObtained":
                self.show_contact("off", "hardwareError", takings)
            raise
        if action == "off":
            self.show_contact("off", "poweredOff", takings)
        else:
            self.show_contact("on", "online", takings)
        return messages.ChipPowerCompletion(chip_data=atr) if atr and action != "off" else None

    @handles(
        "CardReader.SetKey",
        checks=(checks.key_given, checks.key_there, device_ready),
        device=("invalidKey",),
        offered=lambda on: on.device.security_type == "cim86",
    )
    async def set_key(self, request: messages.SetKey, command: Command) -> None:
        """`CardReader.SetKey` 3.0, completion 2.0."""
        await self.ask(devices.CardReader.set_key, request.key_value)

    @handles(
        "CardReader.EMVClessConfigure",
        checks=(
            checks.configuration_given,
            checks.configuration_whole,
            checks.configuration_sound,
            device_ready,
        ),
        offered=_has_kernels,
    )
    async def emv_cless_configure(self, request: messages.EMVClessConfigure, command: Command) -> None:
        """`CardReader.EMVClessConfigure` 3.0, completion 2.0: in the place of the last one, or not at all."""
        # Together with keeping it: otherwise a cancel between the two leaves a device that forgets at the
        # next start.
        with trio.CancelScope(shield=True):
            await self.ask(
                devices.CardReader.emv_cless_configure, contactless.configuration(request), moving=True
            )
            await self.contactless.keep(request)

    @handles(
        "CardReader.EMVClessPerformTransaction",
        checks=(checks.data_sound, device_ready, checks.reader_configured),
        device=("noMedia", "invalidMedia"),
        offered=_has_kernels,
    )
    async def emv_cless_perform_transaction(
        self, request: messages.EMVClessPerformTransaction | None, command: Command
    ) -> messages.EMVClessPerformTransactionCompletion:
        """`CardReader.EMVClessPerformTransaction` 3.0."""
        self.contactless.happened("performed")
        self.contactless.owner = command.session
        outcomes = await self.service.operations.ask(
            devices.CardReader.emv_cless_perform_transaction,
            request.data if request is not None else None,
            command,
            believe=contactless.possible_outcomes,
        )
        if any(one.outcome == "onlineRequestCompletionRequired" for one in outcomes.values()):
            self.contactless.happened("updateNeeded")
        kind = messages.EMVClessPerformTransactionEMVClessTxOutputData
        read: dict[Any, Any] = {name: kind(**contactless.told(one)) for name, one in outcomes.items()}
        return messages.EMVClessPerformTransactionCompletion(**read)

    @handles(
        "CardReader.EMVClessIssuerUpdate",
        checks=(checks.data_sound, device_ready, checks.update_awaited),
        device=("noMedia", "invalidMedia"),
        offered=_has_kernels,
    )
    async def emv_cless_issuer_update(
        self, request: messages.EMVClessIssuerUpdate | None, command: Command
    ) -> messages.EMVClessIssuerUpdateCompletion | None:
        """`CardReader.EMVClessIssuerUpdate` 3.0; a card that does not match leaves it to be repeated."""
        outcome = await self.service.operations.ask(
            devices.CardReader.emv_cless_issuer_update,
            request.data if request is not None else None,
            command,
            believe=contactless.possible_update,
        )
        self.contactless.happened("updated")
        if outcome is None:
            return None
        told = {
            name: value for name, value in contactless.told(outcome).items() if name != "cardholder_action"
        }
        return messages.EMVClessIssuerUpdateCompletion(
            chip=messages.EMVClessIssuerUpdateEMVClessTxOutputData(**told)
        )
