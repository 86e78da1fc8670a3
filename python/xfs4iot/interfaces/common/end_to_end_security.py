"""End-to-end security: which commands need a token, and whether a token allows them.

    Common.GetCommandNonce → nonce → host makes a token → command with the token

Who checks: the device's firmware (`devices.Device.check_token`), or else this module, with a key
of the device's key store (`devices.Device.token_key`) or of the operator's configuration. Here
a token is checked in this order, and the first failure decides; none of them changes anything:

    there is one                    invalidToken
    format                          invalidTokenFormat, invalidTokenKeyNoValue
    HMAC                            invalidTokenHMAC
    the service has a nonce         noCommandNonce
    the token is made of it         invalidTokenNonce
    it is the nonce's first token   invalidToken
    it allows this                  invalidToken

So only a holder of the key learns anything about the nonce. The token of a dispense may be used in
parts, as long as the sum stays within its amounts; any other token allows one command. When a
token has been used up its nonce is gone (see `command_nonce`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from decimal import Decimal
from typing import Any, Literal

import msgspec
import trio

from xfs4iot import tokens
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import Device, TokenUse, implements
from xfs4iot.interfaces.common.command_nonce import USED_UP, LiveNonce
from xfs4iot.protocol import errors, registry
from xfs4iot.protocol.messages import common as messages
from xfs4iot.server.handler import Interface, Token, step

__all__ = ["Authorisation", "CommandTokens", "EndToEndSecurity", "token_allows"]

token_allows = step(
    "token",
    "the token, where the device asks for one",
    "invalidToken",
    "invalidTokenFormat",
    "invalidTokenKeyNoValue",
    "invalidTokenHMAC",
    "noCommandNonce",
    "invalidTokenNonce",
    "authorizationRequired",
)

DISPENSE = "CashDispenser.Dispense"

Need = Literal["ifConfigured", "always"]


@dataclass(frozen=True, kw_only=True)
class EndToEndSecurity:
    """How a service checks tokens when its device does not.

    Attributes:
        key: the secret shared with the host; None: the device's `token_key` is asked.
        key_name: the name that the device's `token_key` is asked for.
        required: `always`: commands that need a token are refused while there is no key;
            `ifConfigured`: they then need none.
        responses: whether the present status comes with a token: `ifConfigured`, `always` or None.
        nonce_timeout: seconds after which a nonce is gone; 0: it does not time out.
        commands: which commands need a token; empty for all that can carry one.
    """

    key: bytes | None = field(default=None, repr=False)
    key_name: str = "endToEndSecurity"
    required: Need = "ifConfigured"
    responses: Need | None = "ifConfigured"
    nonce_timeout: int = 0
    commands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.key is not None and len(self.key) < tokens.SHORTEST_KEY:
            raise tokens.KeyUnusable(
                f"the key of end-to-end security has {len(self.key)} bytes; {tokens.SHORTEST_KEY} are needed"
            )
        for command in self.commands:
            if not registry.takes_token(command):
                raise ValueError(
                    f"{command} cannot carry a token; those that can are "
                    + ", ".join(registry.token_commands())
                )


@dataclass(frozen=True)
class Authorisation:
    """What allowed a command.

    Attributes:
        token: HMAC of the token; the `DISPENSEID` of the present status.
        reservation: see `CommandNonces.reserve`; None if the device's firmware checked.
    """

    token: str
    reservation: str | None = None

    def detail(self) -> dict[str, Any]:
        """For the intent of the movement."""
        return {"token": self.token, "reservation": self.reservation}


class CommandTokens:
    """Nonce and tokens of one service.

    Args:
        common: the service's interface `Common`, which asks the device.
    """

    def __init__(self, common: Interface[Any]) -> None:
        self.service = service = common.service
        self._ask = common.ask
        self.settings: EndToEndSecurity | None = None
        self._nonce = LiveNonce(service)
        self._started = False
        self._state: Literal["enforced", "notConfigured", "notEnforced"] = "notConfigured"

    @property
    def checks_here(self) -> bool:
        """Whether this module checks tokens, not the device."""
        device = self.service.device
        return not implements(device, "check_token") and (
            self.settings is not None or implements(device, "token_key")
        )

    @property
    def offers_nonces(self) -> bool:
        """Whether `Common.GetCommandNonce` and `ClearCommandNonce` exist."""
        return self.checks_here or implements(self.service.device, "get_command_nonce")

    @property
    def _operator(self) -> EndToEndSecurity | None:
        """What the operator has set; firmware that checks tokens itself cannot be told."""
        return self.settings if self.checks_here else None

    def _declared(self) -> messages.EndToEndSecurity | None:
        common = self.service.device.capabilities.common if self.service.device is not None else None
        return common.end_to_end_security if common is not None else None

    def _settings(self) -> EndToEndSecurity:
        """The operator's; else what the device declares."""
        declared = self._declared()
        if self._operator is not None or declared is None:
            return self._operator or EndToEndSecurity()
        return EndToEndSecurity(
            required=declared.required or "ifConfigured",
            responses=declared.response_security_enabled,
            nonce_timeout=declared.command_nonce_timeout or 0,
        )

    @property
    def commands(self) -> list[str]:
        """The commands of this service that need a token and can carry one."""
        declared = self._declared()
        named = self._operator.commands if self._operator is not None else declared and declared.commands
        return [
            name
            for name, handler in self.service.handlers.items()
            if handler.token is not None and (not named or name in named)
        ]

    def capability(self) -> messages.EndToEndSecurity | None:
        """`common.endToEndSecurity` of Common.Capabilities; None without end-to-end security."""
        declared = self._declared()
        if not self.offers_nonces and declared is None:
            return None
        settings = self._settings()
        return messages.EndToEndSecurity(
            required=settings.required,
            hardware_security_element=bool(declared and declared.hardware_security_element),
            response_security_enabled=settings.responses,
            commands=(declared.commands if declared is not None and self._operator is None else None)
            or self.commands
            or None,
            command_nonce_timeout=settings.nonce_timeout,
        )

    async def start(self) -> None:
        """Take up the nonce as the last run left it, and learn whether there is a key."""
        if not self.checks_here:
            return
        if not self._started:
            self._started = True
            await self._nonce.start(self._settings().nonce_timeout)
        try:
            await self._key()
        except errors.XfsError as fault:
            self.service.log.warning("the device does not say yet whether it has a key: %s", fault)

    async def _key(self) -> bytes | None:
        """The key, and the status that follows from there being one."""
        settings = self._settings()
        device: Any = self.service.device
        key = settings.key
        if key is None and implements(device, "token_key"):
            key = await self._ask(Device.token_key, settings.key_name)
        if key is None:
            self._state = "notConfigured" if settings.required == "always" else "notEnforced"
        elif len(key) < tokens.SHORTEST_KEY:
            # Somebody wants tokens to be checked: a bad key must not open what no key would.
            self.service.log.error("the key %r is too short to check tokens with", settings.key_name)
            key, self._state = None, "notConfigured"
        else:
            self._state = "enforced"
        status = device.status.common
        if status is not None and status.end_to_end_security != self._state:
            status.end_to_end_security = self._state
        return key

    async def new_nonce(self) -> str:
        """A fresh nonce for `Common.GetCommandNonce`; the one before is gone.

        Raises:
            LedgerUnavailable: it could not be kept.
        """
        return await self._nonce.new(self._settings().nonce_timeout)

    async def clear_nonce(self) -> None:
        """`Common.ClearCommandNonce`. Raises LedgerUnavailable."""
        await self._nonce.clear("Common.ClearCommandNonce")

    @asynccontextmanager
    async def authorised(
        self, token: str | None, amounts: Mapping[str, Decimal] | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Dispense what a token allows: the block is to carry out the movement.

        `amounts` is what the items to be taken are worth, by currency; None if that is not certain.
        Gives what the movement's intent must have in its detail. What was taken off is given back
        if the block fails before anything has moved. Raises: see `authorise`.
        """
        authorisation = await self.authorise(DISPENSE, token, amounts=amounts)
        try:
            yield {"authorisation": authorisation.detail()} if authorisation is not None else {}
        except BaseException:
            if authorisation is not None and authorisation.reservation is not None:
                with trio.CancelScope(shield=True):
                    await self._nonce.release(authorisation.reservation)
            raise
        finally:
            # Only now: booking the movement may have used the nonce up.
            self._nonce.tell()

    async def authorise(
        self,
        command: str,
        token: str | None,
        *,
        amounts: Mapping[str, Decimal] | None = None,
        request: msgspec.Struct | None = None,
    ) -> Authorisation | None:
        """See whether a token allows a command; called after all other checks, before anything moves.

        Args:
            command: wire name.
            token: as it came.
            amounts: of a dispense, what the items to be taken are worth, by currency.
            request: of any other command.

        Returns:
            What was found; None if no token is needed. For a dispense, the amounts are taken off
            the token, durably: see `authorised`. For any other command the nonce is gone.

        Raises:
            InvalidToken, InvalidTokenFormat, InvalidTokenKeyNoValue, InvalidTokenHMAC,
            InvalidTokenNonce, NoCommandNonce: nothing has changed.
            AuthorizationRequired: a token is always needed, and there is no key to check it with.
            LedgerUnavailable: the use of the token could not be written.
        """
        if command not in self.commands or self.capability() is None:
            return None
        use = TokenUse(command, amounts, _says(self.service.handlers[command].token, request))
        if not self.checks_here:
            return await self._ask_firmware(token, use)
        key = await self._key()
        if key is None:
            if self._state == "notEnforced":
                return None
            raise errors.AuthorizationRequired(
                f"{command} needs a token, but there is no good key to check it with; load the key "
                f"{self._settings().key_name}, see endToEndSecurity of Common.Status"
            )
        checked = self._check(token, key, use)
        # A cancel after the reservation is written would lose its name: given back at the next start only.
        with trio.CancelScope(shield=True):
            if command == DISPENSE:
                allowed = tokens.amounts(checked, "DISPENSE")
                reservation = await self._nonce.kept.reserve(checked.hmac, allowed, use.amounts or {})
                return Authorisation(checked.hmac, reservation)
            await self._nonce.clear(USED_UP)
        return Authorisation(checked.hmac)

    async def _ask_firmware(self, token: str | None, use: TokenUse) -> Authorisation | None:
        device: Any = self.service.device
        status = device.status.common
        state = status.end_to_end_security if status is not None else None
        if not token:
            if state == "enforced" or self._settings().required == "always":
                raise _missing(use.command)
            return None
        if implements(device, "check_token"):
            await self._ask(Device.check_token, token, use)
        # The firmware has let it pass: a format of its own only means that there is no HMAC to report.
        try:
            return Authorisation(tokens.parse(token).hmac)
        except errors.XfsError:
            return None

    def _check(self, text: str | None, key: bytes, use: TokenUse) -> tokens.Token:
        if not text:
            raise _missing(use.command)
        # First of all: nothing below may tell anyone without the key about the nonce.
        token = tokens.authenticate(text, key)
        state, nonce = self._nonce.kept.state, self._nonce.current
        if nonce is None:
            raise errors.NoCommandNonce(
                "there is no nonce: none was asked for, or it was used up, replaced, cleared or timed out; "
                "see Common.GetCommandNonce"
            )
        if token.nonce != nonce:
            raise errors.InvalidTokenNonce("the token is made of another nonce; see Common.GetCommandNonce")
        if state.token not in (None, token.hmac):
            raise errors.InvalidToken("another token was used with this nonce; ask for a new nonce")
        if use.command != DISPENSE:
            for name, value in use.says.items():
                if token.values.get(name) != value:
                    raise errors.InvalidToken(f"the token does not say {name}={value}: not for this command")
            return token
        allowed = tokens.amounts(token, "DISPENSE")
        if not allowed:
            raise errors.InvalidToken("the token has no amount to dispense: DISPENSE1 is not there")
        if use.amounts is None:
            raise errors.InvalidToken("an item asked for has no certain value, so no token allows it")
        # A token that was used before has only what its earlier dispenses have left.
        left = state.remaining if state.token is not None else allowed
        for currency, amount in use.amounts.items():
            if amount > left.get(currency, 0):
                raise errors.InvalidToken(
                    f"the token allows {left.get(currency, 0):f} {currency} (still), {amount:f} are asked for"
                )
        return token

    def settle(
        self, detail: Mapping[str, Any], dispensed: Mapping[str, Decimal] | None
    ) -> Mapping[str, bytes]:
        """What to book with a movement that was authorised.

        Args:
            detail: of its intent.
            dispensed: by currency; None if not known.
        """
        reservation = (detail.get("authorisation") or {}).get("reservation")
        return self._nonce.kept.settle(reservation, dispensed) if reservation is not None else {}

    async def present_token(self, nonce: str | None, report: tokens.PresentReport) -> str | None:
        """The response token of `CashDispenser.GetPresentStatus`; None without a nonce or a key.

        Raises:
            InvalidData: the nonce is too long for a token.
        """
        device: Any = self.service.device
        if not nonce or self.capability() is None or self._settings().responses is None:
            return None
        if implements(device, "present_token"):
            return await self._ask(Device.present_token, nonce, report)
        key = await self._key() if self.checks_here else None
        if key is None:
            return None
        try:
            return tokens.present_token(key, nonce, report)
        except ValueError as wrong:
            raise errors.InvalidData(f"$.nonce: no token can be made of it: {wrong}") from None


def _missing(command: str) -> errors.InvalidToken:
    return errors.InvalidToken(f"{command} needs a token; see Common.GetCommandNonce")


def _says(token: Token | None, request: msgspec.Struct | None) -> dict[str, str]:
    if token is None or token.field is None or request is None:
        return {}
    return {token.key: str(getattr(request, token.field)).upper()}
