"""The types of a device's status and capabilities.

Written by `tools/generate_devices.py`. To a type checker every part is there, for those of a device's
own interfaces always are; those of others are None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xfs4iot.protocol.messages import common

__all__: list[str] = []

if TYPE_CHECKING:
    from msgspec import field

    from xfs4iot.protocol.messages import auxiliaries as _auxiliaries
    from xfs4iot.protocol.messages import banknote_neutralization as _banknote_neutralization
    from xfs4iot.protocol.messages import barcode_reader as _barcode_reader
    from xfs4iot.protocol.messages import biometric as _biometric
    from xfs4iot.protocol.messages import camera as _camera
    from xfs4iot.protocol.messages import card_reader as _card_reader
    from xfs4iot.protocol.messages import cash_acceptor as _cash_acceptor
    from xfs4iot.protocol.messages import cash_dispenser as _cash_dispenser
    from xfs4iot.protocol.messages import cash_management as _cash_management
    from xfs4iot.protocol.messages import check as _check
    from xfs4iot.protocol.messages import common as _common
    from xfs4iot.protocol.messages import crypto as _crypto
    from xfs4iot.protocol.messages import deposit as _deposit
    from xfs4iot.protocol.messages import german as _german
    from xfs4iot.protocol.messages import key_management as _key_management
    from xfs4iot.protocol.messages import keyboard as _keyboard
    from xfs4iot.protocol.messages import lights as _lights
    from xfs4iot.protocol.messages import mixed_media as _mixed_media
    from xfs4iot.protocol.messages import pin_pad as _pin_pad
    from xfs4iot.protocol.messages import power_management as _power_management
    from xfs4iot.protocol.messages import printer as _printer
    from xfs4iot.protocol.messages import text_terminal as _text_terminal
    from xfs4iot.protocol.messages import vendor_application as _vendor_application
    from xfs4iot.protocol.messages import vendor_mode as _vendor_mode

    class DeviceStatus(common.StatusCompletion):
        common: _common.StatusProperties = field(default_factory=_common.StatusProperties)
        card_reader: _card_reader.Status = field(default_factory=_card_reader.Status)
        cash_acceptor: _cash_acceptor.Status = field(default_factory=_cash_acceptor.Status)
        cash_dispenser: _cash_dispenser.Status = field(default_factory=_cash_dispenser.Status)
        cash_management: _cash_management.Status = field(default_factory=_cash_management.Status)
        check: _check.Status = field(default_factory=_check.Status)
        mixed_media: _mixed_media.Status = field(default_factory=_mixed_media.Status)
        key_management: _key_management.Status = field(default_factory=_key_management.Status)
        keyboard: _keyboard.Status = field(default_factory=_keyboard.Status)
        text_terminal: _text_terminal.Status = field(default_factory=_text_terminal.Status)
        printer: _printer.Status = field(default_factory=_printer.Status)
        barcode_reader: _barcode_reader.Status = field(default_factory=_barcode_reader.Status)
        biometric: _biometric.Status = field(default_factory=_biometric.Status)
        camera: _camera.Status = field(default_factory=_camera.Status)
        lights: _lights.Status = field(default_factory=_lights.Status)
        banknote_neutralization: _banknote_neutralization.Status = field(
            default_factory=_banknote_neutralization.Status
        )
        auxiliaries: _auxiliaries.Status = field(default_factory=_auxiliaries.Status)
        deposit: _deposit.Status = field(default_factory=_deposit.Status)
        vendor_mode: _vendor_mode.Status = field(default_factory=_vendor_mode.Status)
        vendor_application: _vendor_application.Status = field(default_factory=_vendor_application.Status)
        power_management: _power_management.Status = field(default_factory=_power_management.Status)

    class DeviceCapabilities(common.CapabilitiesCompletion):
        common: _common.CapabilityProperties = field(default_factory=_common.CapabilityProperties)
        card_reader: _card_reader.Capabilities = field(default_factory=_card_reader.Capabilities)
        cash_acceptor: _cash_acceptor.Capabilities = field(default_factory=_cash_acceptor.Capabilities)
        cash_dispenser: _cash_dispenser.Capabilities = field(default_factory=_cash_dispenser.Capabilities)
        cash_management: _cash_management.Capabilities = field(default_factory=_cash_management.Capabilities)
        check: _check.Capabilities = field(default_factory=_check.Capabilities)
        mixed_media: _mixed_media.Capabilities = field(default_factory=_mixed_media.Capabilities)
        pin_pad: _pin_pad.Capabilities = field(default_factory=_pin_pad.Capabilities)
        crypto: _crypto.Capabilities = field(default_factory=_crypto.Capabilities)
        key_management: _key_management.Capabilities = field(default_factory=_key_management.Capabilities)
        keyboard: _keyboard.Capabilities = field(default_factory=_keyboard.Capabilities)
        text_terminal: _text_terminal.Capabilities = field(default_factory=_text_terminal.Capabilities)
        printer: _printer.Capabilities = field(default_factory=_printer.Capabilities)
        barcode_reader: _barcode_reader.Capabilities = field(default_factory=_barcode_reader.Capabilities)
        biometric: _biometric.Capabilities = field(default_factory=_biometric.Capabilities)
        camera: _camera.Capabilities = field(default_factory=_camera.Capabilities)
        german: _german.Capabilities = field(default_factory=_german.Capabilities)
        lights: _lights.Capabilities = field(default_factory=_lights.Capabilities)
        banknote_neutralization: _banknote_neutralization.Capabilities = field(
            default_factory=_banknote_neutralization.Capabilities
        )
        auxiliaries: _auxiliaries.Capabilities = field(default_factory=_auxiliaries.Capabilities)
        deposit: _deposit.Capabilities = field(default_factory=_deposit.Capabilities)
        vendor_application: _vendor_application.Capabilities = field(
            default_factory=_vendor_application.Capabilities
        )
        power_management: _power_management.Capabilities = field(
            default_factory=_power_management.Capabilities
        )

else:
    DeviceStatus = common.StatusCompletion
    DeviceCapabilities = common.CapabilitiesCompletion
