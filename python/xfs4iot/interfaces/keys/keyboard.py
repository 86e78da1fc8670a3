"""Keyboard: data, PINs and parts of keys are entered.

The device lets keys be pressed and reports what each did. The service checks requests first, and lets no
digit of a PIN or key out: it removes the names of digits from their events. A PIN is held until it is used
(`held_pin`), a part of a key until KeyManagement.ImportKey stores it (`components`).

Layouts that clients define outlive a restart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import DataEntered, EntryRequest, KeyEntered, PinEntered, SecureKeyRequest
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys import entry, layouts, reported
from xfs4iot.interfaces.keys.forgetting import Forgetting
from xfs4iot.interfaces.keys.held_pin import HeldPin
from xfs4iot.interfaces.keys.key_management import KeyManagement
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.keyboard import DataEntryEvents, PinEntryEvents, SecureKeyEntryEvents
from xfs4iot.protocol.messages import keyboard as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["Keyboard"]

_DOCUMENT = "Keyboard.layouts"
_SECRET = frozenset({"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}) | set(
    "abcdef"
)
_PREPARED = step(
    "block prepared", "whether PinPad.SetPinBlockData was called, if the device needs it", "sequenceError"
)
_STORED = frozenset({"auto", "enter", "fdk", "fk"})
_Result = TypeVar("_Result")


class _Discreet:
    """Events of an entry that is secret: without the digits."""

    def __init__(self, command: Command[DataEntryEvents]) -> None:
        self._command = command

    @property
    def cancel_requested(self) -> bool:
        return self._command.cancel_requested

    def send(self, event: DataEntryEvents) -> None:
        # What follows it is one of the few keys that have a shifted name: it is not told at all.
        if isinstance(event, messages.KeyEvent) and event.digit == "shift":
            return
        if isinstance(event, messages.KeyEvent) and (
            # These two are no digits of their own, but give away two or three.
            event.digit in _SECRET or event.digit in ("doubleZero", "tripleZero")
        ):
            event = messages.KeyEvent(completion=event.completion)
        self._command.send(event)


@check("invalidData")
def layout_whole(on: Keyboard, request: messages.DefineLayout | None) -> None:
    """`layout`: frames with all coordinates, and keys with names"""
    layouts.read(None if request is None else request.layout)


@check("modeNotSupported")
def modes_known(on: Keyboard, request: messages.DefineLayout) -> None:
    """whether the keyboard has entries of these kinds"""
    for mode in layouts.read(request.layout):
        if mode not in on.device.layouts:
            raise errors.CommandError("modeNotSupported", f"$.layout.{mode}: the keyboard has no such entry")


@check(
    "tooManyFrames",
    "frameCoordinate",
    "frameOverlap",
    "tooManyKeys",
    "keyCoordinate",
    "keyOverlap",
    "keyAlreadyDefined",
)
def layout_possible(on: Keyboard, request: messages.DefineLayout) -> None:
    """whether frames and keys are within their bounds and apart, and each key is there once"""
    for mode, frames in layouts.read(request.layout).items():
        layouts.require_possible(mode, frames, on.device.ets_caps)


@check("modeNotSupported")
def mode_known(on: Keyboard, request: messages.GetLayout | None) -> None:
    """whether the keyboard has entries of this kind, if one is named"""
    if request is not None and request.entry_mode and request.entry_mode not in on.device.layouts:
        raise errors.CommandError(
            "modeNotSupported", f"$.entryMode: the keyboard has no {request.entry_mode}"
        )


@check("unsupportedData")
def beep_selectable(on: Keyboard, request: messages.KeypressBeep | None) -> None:
    """whether what is changed can be switched"""
    for name in ("active", "inactive"):
        wanted = bool(request and request.mode and getattr(request.mode, name))
        if wanted != (name in on.beeping) and name not in on.device.selectable_beeps:
            raise errors.UnsupportedData(
                f"$.mode.{name}: that cannot be switched; see autoBeep in Capabilities"
            )


class Keyboard(Interface[devices.Keyboard]):
    """The interface of a PIN pad's keyboard.

    Attributes:
        pin: whether a PIN is held.
        beeping: which keys beep.
    """

    name: ClassVar[str] = "Keyboard"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.pin = HeldPin(lambda: self.device.pins_for_all_clients)
        self.beeping: frozenset[str] = frozenset()
        self.ends: list[Callable[[], Awaitable[None]]] = []
        """What interfaces have kept of PINs, and ends when these are reset."""
        self._forgetting = Forgetting(
            service, "the PIN", lambda: self.ask(devices.Keyboard.forget_pin), self.pin.is_held
        )

    async def start(self) -> None:
        """Give the device the layouts that clients have defined."""
        self.beeping = self.device.beeps
        kept = self.service.ledger.document(_DOCUMENT)
        if kept is None or not devices.implements(self.device, "define_layout"):
            return
        try:
            known = layouts.decoded(kept)
            await self.ask(devices.Keyboard.define_layout, known)
            self.device.layouts = {**self.device.layouts, **known}
        except errors.XfsError as fault:
            self.service.log.error("the layouts that were defined cannot be used: %s", fault)

    async def reopened(self) -> None:
        """A device that was away holds no PIN."""
        self.pin.gone()

    def disconnected(self, connection: Connection) -> None:
        """A PIN ends with the connection on which it was entered, and so does what it kept PINs for."""
        ended, kept = self.pin.left(connection)
        if ended:
            self.service.nursery.start_soon(self.forget_pin)
        if kept and devices.implements(self.device, "maintain_pin"):
            self.service.nursery.start_soon(self._maintain_no_more)

    async def _maintain_no_more(self) -> None:
        try:
            await self.ask(devices.PinPad.maintain_pin, False)
        except errors.XfsError as fault:
            self.service.log.error("the device goes on keeping PINs after their use: %s", fault)

    async def forget_pin(self) -> None:
        """Let the device overwrite the PIN that has ended, but not one that was entered since."""
        if devices.implements(self.device, "forget_pin"):
            await self._forgetting()

    async def hold_none(self) -> None:
        """See that the device holds no PIN, before it does what would take one that is there.

        The PIN of a client that has gone, or one that was used, may not be overwritten yet.

        Raises:
            XfsError: the device did not forget.
        """
        if devices.implements(self.device, "forget_pin"):
            await self._forgetting.now()

    async def reset_pins(self) -> None:
        """All that was entered as a PIN is gone, and what the device has kept of PINs."""
        self.pin.gone()
        await self.forget_pin()
        for end in self.ends:
            await end()

    async def _when_over(self) -> None:
        """Forget the PIN when its time is over."""
        await trio.sleep(self.device.pin_seconds)
        # False if the PIN was used, or another was entered since: that one has a timer of its own.
        if self.pin.is_over():
            self.pin.gone()
            await self.forget_pin()

    async def _in_time(self, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        """Wait for an entry, up to its time limit."""
        seconds = self.device.entry_seconds
        if seconds is None:
            return await ask()
        with trio.move_on_after(seconds):
            return await ask()
        # Reached only when `move_on_after` has swallowed the cancel: every other way returns or raises.
        raise errors.CommandError("entryTimeout", f"the entry took longer than {seconds:g} s")

    @handles("Keyboard.GetLayout", checks=(mode_known,), asks=None)
    def get_layout(
        self, request: messages.GetLayout | None, command: Command
    ) -> messages.GetLayoutCompletion:
        """`Keyboard.GetLayout` 2.0, completion 3.0: of one kind of entry, or of all."""
        only = None if request is None else request.entry_mode
        shown = {mode: frames for mode, frames in self.device.layouts.items() if only in (None, mode)}
        return messages.GetLayoutCompletion(layout=layouts.told(messages.LayoutNullable, shown))

    @handles("Keyboard.DefineLayout", checks=(layout_whole, device_ready, modes_known, layout_possible))
    async def define_layout(self, request: messages.DefineLayout, command: Command) -> None:
        """`Keyboard.DefineLayout` 3.0, completion 2.0: all kinds of entries that it names, or none."""
        wanted = layouts.read(request.layout)
        # A cancel between the two would leave layouts that are forgotten at the next start.
        with trio.CancelScope(shield=True):
            await self.ask(devices.Keyboard.define_layout, wanted, moving=True)
            self.device.layouts = {**self.device.layouts, **wanted}
            kept = self.service.ledger.document(_DOCUMENT)
            known = {**(layouts.decoded(kept) if kept is not None else {}), **wanted}
            await self.service.ledger.put_document(_DOCUMENT, layouts.encoded(known))

    @handles(
        "Keyboard.DataEntry",
        checks=(
            device_ready,
            entry.keys_active("data"),
            entry.keys_named,
            entry.keys_supported("data"),
        ),
    )
    async def data_entry(
        self, request: messages.DataEntry, command: Command[DataEntryEvents]
    ) -> messages.DataEntryCompletion:
        """`Keyboard.DataEntry` 2.0: not for PINs; a PIN that is held ends, unless it is maintained."""
        if not self.pin.maintained and self.pin.is_held():
            self.pin.gone()
            await self.forget_pin()
        wanted = EntryRequest(0, request.max_len or 0, bool(request.auto_end), entry.active(request))
        entered: DataEntered = await self.ask(
            devices.Keyboard.data_entry, wanted, command, believe=reported.data_entered_as_asked(wanted)
        )
        return messages.DataEntryCompletion(
            keys=len(entered.keys),
            pin_keys=[messages.KeyPressed(completion=one.completion, digit=one.key) for one in entered.keys],
            completion=entered.completion,
        )

    @handles(
        "Keyboard.PinEntry",
        checks=(
            device_ready,
            entry.keys_active("pin"),
            entry.keys_named,
            entry.keys_supported("pin"),
            entry.lengths_possible,
            entry.pin_can_end,
            entry.echo_short,
            _PREPARED,
        ),
        device=("tooManyFrames", "partialFrame", "entryTimeout"),
    )
    async def pin_entry(
        self, request: messages.PinEntry, command: Command[PinEntryEvents]
    ) -> messages.PinEntryCompletion:
        """`Keyboard.PinEntry` 2.0: the PIN before ends; the new one is held, in the device."""
        # Taken first: `gone` clears it together with the old PIN, and the new one is bound to it.
        prepared = self.pin.prepared(command.session)
        if prepared is None and getattr(self.device, "set_pinblock_data_required", False):
            raise errors.SequenceError(
                "call PinPad.SetPinBlockData first: the device must know what the PIN is for"
            )
        self.pin.gone()
        wanted = EntryRequest(
            request.min_len or 0,
            request.max_len or 0,
            bool(request.auto_end),
            entry.active(request),
            request.echo,
        )
        try:
            async with self._forgetting.held_off():
                entered: PinEntered = await self._in_time(
                    lambda: self.ask(
                        devices.Keyboard.pin_entry,
                        wanted,
                        _Discreet(command),
                        believe=reported.pin_entered_as_asked(wanted),
                    )
                )
                # Nobody could use the PIN of a client that has gone meanwhile, and its end was told already.
                there = self.service.is_connected(command.session)
                if there and entered.completion != "cancel" and entered.digits:
                    self.pin.entered(command.session, self.device.pin_seconds, prepared)
                    self.service.nursery.start_soon(self._when_over)
        finally:
            with trio.CancelScope(shield=True):
                # However the entry ended, the old PIN or a partial one must not stay in the device.
                await self.forget_pin()
        return messages.PinEntryCompletion(digits=entered.digits, completion=entered.completion)

    @handles(
        "Keyboard.SecureKeyEntry",
        checks=(
            given("key_len"),
            given("verification_type"),
            device_ready,
            entry.parts_taken,
            entry.keys_active("secure", "noActiveKeys"),
            entry.keys_named,
            entry.keys_supported("secure"),
            entry.key_length_possible,
            entry.check_value_offered,
            entry.all_digits_active,
            entry.key_can_end,
        ),
        device=("tooManyFrames", "partialFrame", "entryTimeout"),
    )
    async def secure_key_entry(
        self, request: messages.SecureKeyEntry, command: Command[SecureKeyEntryEvents]
    ) -> messages.SecureKeyEntryCompletion:
        """`Keyboard.SecureKeyEntry` 2.1, completion 3.0: what was entered whole can be stored once, by
        KeyManagement.ImportKey."""
        assert request.key_len is not None
        assert request.verification_type is not None
        components = self.service.interface(KeyManagement).components
        # Before the device is asked: after a failed entry there is nothing left to store.
        components.nothing_entered()
        wanted = SecureKeyRequest(
            request.key_len,
            bool(request.auto_end),
            entry.active(request),
            request.verification_type,
            request.crypto_method,
        )
        entered: KeyEntered = await self._in_time(
            lambda: self.ask(
                devices.Keyboard.secure_key_entry,
                wanted,
                _Discreet(command),
                believe=reported.part_entered_as_asked(wanted),
            )
        )
        whole = entered.completion in _STORED and entered.digits == request.key_len
        # Nobody could store the part of a client that has gone meanwhile.
        if whole and self.service.is_connected(command.session):
            components.was_entered(command.session)
        return messages.SecureKeyEntryCompletion(
            digits=entered.digits, completion=entered.completion, kcv=entered.kcv if whole else None
        )

    @handles("Keyboard.KeypressBeep", checks=(device_ready, beep_selectable))
    async def keypress_beep(self, request: messages.KeypressBeep | None, command: Command) -> None:
        """`Keyboard.KeypressBeep` 2.0: what is not said is off."""
        mode: Any = request.mode if request is not None else None
        on = {name: bool(mode is not None and getattr(mode, name)) for name in ("active", "inactive")}
        await self.ask(devices.Keyboard.keypress_beep, on["active"], on["inactive"])
        self.beeping = frozenset(name for name, beeps in on.items() if beeps)
        self.device.status.keyboard.auto_beep_mode = messages.StatusAutoBeepMode(
            active_available=on["active"], inactive_available=on["inactive"]
        )

    @handles("Keyboard.Reset", checks=(device_ready,), asks="reset_keyboard")
    async def reset(self, request: None, command: Command) -> None:
        """`Keyboard.Reset` 2.0: a PIN, and what was entered of a key and not stored, are gone."""
        await self.ask(devices.Keyboard.reset_keyboard, moving=True)
        await self.reset_pins()
        if KeyManagement.name in self.service.interfaces:
            self.service.interface(KeyManagement).components.nothing_entered()
