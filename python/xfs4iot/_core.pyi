"""The Rust core: WebSocket framing, the JSON envelope, denomination."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, final

from typing_extensions import Buffer

__version__: str

@final
class Message:
    """A command, ready to be acknowledged; made by `Receiver`.

    Attributes:
        type: `command`.
        name: wire name, such as `CashDispenser.Dispense`.
        request_id: a positive integer.
        version: the header's, `major.minor`; None in the envelope of 2021-1.
        timeout: milliseconds after which the client gives it up; 0 for never.
        payload: the payload's JSON, its syntax checked, nothing else; None if absent or null.
        size: bytes of the whole message.
    """

    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def request_id(self) -> int: ...
    @property
    def version(self) -> str | None: ...
    @property
    def timeout(self) -> int: ...
    @property
    def payload(self) -> bytes | None: ...
    @property
    def size(self) -> int: ...
    def answer(
        self, acknowledged: str | None, version: str | None, code: str | None, payload: bytes, /
    ) -> bytes:
        """Build the frames that accept the command and complete it, one behind the other.

        Args:
            acknowledged: the version of the acknowledge; None for the envelope of 2021-1.
            version, code, payload: of the completion, see `completion`.

        Raises:
            ValueError: `payload` is not an object.
        """

@final
class Refusal:
    """A message that is not accepted, to be answered by an acknowledge with `status`.

    Attributes:
        status: `invalidMessage` or `invalidRequestID`.
        reason: what was wrong, where (bytes are counted from 0), and what to do.
        name: the message's; empty if it could not be read.
        request_id: the message's; 0 if it could not be read.
        version: the message's; None if it has none or it could not be read.
    """

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def request_id(self) -> int: ...
    @property
    def version(self) -> str | None: ...

@final
class Ping:
    """A ping, to be answered with a pong of the same payload."""

    @property
    def payload(self) -> bytes: ...

@final
class Pong:
    """A pong."""

    @property
    def payload(self) -> bytes: ...

@final
class Close:
    """The client closes the connection; `code` is 1005 if it gave none. Nothing follows."""

    @property
    def code(self) -> int: ...
    @property
    def reason(self) -> str: ...

@final
class Violation:
    """The client broke RFC 6455 or a limit: close with `code`. Nothing follows."""

    @property
    def code(self) -> int: ...
    @property
    def reason(self) -> str: ...

@final
class Receiver:
    """A client's bytes in, whole messages out: the server's side of RFC 6455 and the envelope.

    Args:
        max_message: bytes of the largest message that is taken; a larger one is a violation, 1009.
    """

    def __new__(cls, max_message: int = 2_097_152) -> Receiver: ...
    def receive(self, data: Buffer, /) -> list[Message | Refusal | Ping | Pong | Close | Violation]:
        """Take what arrived; return every item that is complete, in order.

        After a `Close` or `Violation` it returns nothing more.
        """

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame or message."""

@final
class Envelope:
    """A message as a client receives it, of any type and in either envelope; made by `read_envelope`.

    Attributes:
        type: as it stands in the header.
        name: wire name.
        request_id: a positive integer; None in an unsolicited event.
        version: the header's, `major.minor`; None in the envelope of 2021-1.
        timeout: milliseconds; 0 but in commands.
        status: why a command was refused; None if it was not (also for the `ok` of 2021-1).
        completion_code: how a command ended; None if the message does not say.
        error_description: text for a person; None without one.
        payload: the payload's JSON, its syntax checked, nothing else; None if absent or null.
            In the envelope of 2021-1 status, completion code and description stand in it too.
        size: bytes of the whole message.
    """

    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def request_id(self) -> int | None: ...
    @property
    def version(self) -> str | None: ...
    @property
    def timeout(self) -> int: ...
    @property
    def status(self) -> str | None: ...
    @property
    def completion_code(self) -> str | None: ...
    @property
    def error_description(self) -> str | None: ...
    @property
    def payload(self) -> bytes | None: ...
    @property
    def size(self) -> int: ...

def read_envelope(data: str | Buffer, /) -> Envelope:
    """Read a message that a service sent, without a frame around it.

    Raises:
        ValueError: it is no message of XFS4IoT; the text says why and where.
        TypeError: `data` is neither text nor bytes.
    """

def has_more_values(payload: bytes, most: int, /) -> bool:
    """Whether a payload has more members and elements than `most`, at all levels together.

    Args:
        payload: JSON whose syntax has been checked.
    """

def may_have_extremes(payload: bytes, digits: int, /) -> bool:
    """Whether a payload may have a number with so many digits in a row, or an exponent; never for strings.

    Args:
        payload: JSON whose syntax has been checked.
    """

def acknowledge(
    name: str | None,
    request_id: int | None,
    version: str | None,
    status: str | None = None,
    error_description: str | None = None,
) -> bytes:
    """Build the frame that accepts a command, or refuses it with `status`.

    Args:
        name, request_id: the command's; None or empty and 0 if they could not be read.
        version: the acknowledge's own; None for the envelope of 2021-1.
        error_description: said in the envelope of 2021-1 only; later ones have no place for it.
    """

def completion(
    name: str,
    request_id: int,
    version: str | None,
    code: str | None = None,
    error_description: str | None = None,
    payload: bytes | None = None,
) -> bytes:
    """Build the frame that completes a command.

    Args:
        version: the completion's; None for the envelope of 2021-1, where code and
            description join the payload's properties.
        code: the completion code; None if the command succeeded, which the envelope of 2021-1
            says by `success`, and later ones by leaving it out.
        payload: the text of a JSON object.

    Raises:
        ValueError: `payload` is not an object.
    """

def event(
    name: str,
    request_id: int | None,
    version: str | None,
    payload: bytes | None = None,
    unsolicited: str = "unsolicited",
) -> bytes:
    """Build the frame of an event: of the command `request_id`, or, with None, unsolicited.

    Args:
        unsolicited: the type of an unsolicited event on the wire.

    Raises:
        ValueError: `payload` is not an object.
    """

def ping(payload: bytes = b"") -> bytes:
    """Build a ping frame.

    Raises:
        ValueError: the payload has more than 125 bytes.
    """

def pong(payload: bytes) -> bytes:
    """Build a pong frame.

    Raises:
        ValueError: the payload has more than 125 bytes.
    """

def close(code: int, reason: str = "") -> bytes:
    """Build a close frame; the reason is cut to the 123 bytes that it may have.

    Raises:
        ValueError: the code must not be sent.
    """

# Denomination; public as `xfs4iot.denominate`.

@final
class Unit:
    """What a storage unit holds and may give.

    Args:
        id: its name; every unit of a denomination has its own.
        currency: three letters of ISO 4217.
        value: what one item is worth, with five decimals at most.
        count: items that it holds.
        minimum: items that must come from it, if its currency is asked for.
        maximum: items that may come from it; None for no limit but the count.

    Raises:
        InvalidDenomination: a negative number, or a value that is no money.
        InvalidCurrency: not three letters.
        TypeError: a float, for example.
    """

    __match_args__ = ("id", "currency", "value", "count")

    def __new__(
        cls,
        id: str,
        currency: str,
        value: Decimal | int | str,
        count: int,
        minimum: int = 0,
        maximum: int | None = None,
    ) -> Unit: ...
    @property
    def id(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def value(self) -> Decimal: ...
    @property
    def count(self) -> int: ...
    @property
    def minimum(self) -> int: ...
    @property
    def maximum(self) -> int | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Stock:
    """What units can give, read once and asked often; with mixes, also by requests from the wire.

    Args:
        units: 64 at most; for requests from the wire their names are of letters and digits.
        mixes: for a service alone, which has clients that name their mix: what `denominate` takes for a
            mix, by that name.

    Raises:
        InvalidDenomination: more than 64 units, or two of one name.
        ValueError: with mixes, a name that would need escapes, or an unknown mix.
    """

    def __new__(cls, units: Iterable[Unit], mixes: dict[str, str | MixTable] | None = None) -> Stock: ...
    def denominate(
        self,
        amounts: Mapping[str, Decimal] | Mapping[str, int] | Mapping[str, Decimal | int] | Decimal | int,
        *,
        mix: str | MixTable = "minimumBills",
        max_items: int | None = None,
        partial: Mapping[str, int] | None = None,
        work_limit: int | None = None,
    ) -> Denomination:
        """Items from each unit that make up the amounts: the function `denominate` with these units.

        Arguments, answers and errors are those of the function. A stock never changes: make another when
        counts change.
        """

    def answer(self, request: bytes, max_items: int | None, flat: bool, /) -> bytes | None:
        """For a service: the payload of the completion of a Denominate, for its payload.

        None unless the request is an everyday one with a good answer: an amount of one currency by a mix,
        perhaps with partial counts, written plainly and found in some ten microseconds.

        Args:
            flat: both are in the form of 2021-1.
        """

@final
class MixRow:
    """One row of a mix table: an amount, and items by value that pay it exactly.

    Raises:
        InvalidDenomination: the items are worth something else, or a number is not above 0.
    """

    def __new__(
        cls, amount: Decimal | int | str, items: Mapping[Decimal, int] | Mapping[int, int] | Mapping[str, int]
    ) -> MixRow: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def items(self) -> dict[Decimal, int]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class MixTable:
    """A house's own mix: rows of amounts and the items that pay them.

    Args:
        rows: several may have one amount; they are tried in this order. A pair of amount and
            items will do for a row.
        number: the standard's `mixNumber`; for the reader.
        name: the standard's `name`; for the reader.
    """

    def __new__(
        cls,
        rows: Iterable[
            MixRow | tuple[Decimal | int | str, Mapping[Decimal, int] | Mapping[int, int] | Mapping[str, int]]
        ],
        number: int | None = None,
        name: str = "",
    ) -> MixTable: ...
    @property
    def rows(self) -> list[MixRow]: ...
    @property
    def number(self) -> int | None: ...
    @property
    def name(self) -> str: ...

@final
class Denomination:
    """Items that make up the amounts.

    Attributes:
        values: items by unit, for the units that give something, in the order of the units.
        items: number of items altogether.
        amounts: what was asked for, by currency.
        mix: the mix that was asked for.
    """

    @property
    def values(self) -> dict[str, int]: ...
    @property
    def items(self) -> int: ...
    @property
    def amounts(self) -> dict[str, Decimal]: ...
    @property
    def mix(self) -> str | MixTable: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

class DenominateError(ValueError):
    """There is no such denomination.

    Attributes:
        error_code: why, as the standard spells it.
    """

    error_code: str

class NotDispensable(DenominateError):
    """No set of items within the limits makes up the amount."""

class TooManyItems(DenominateError):
    """It takes more items than may be dispensed at once."""

class NoCurrencyMix(DenominateError):
    """One amount without a currency, but units of several."""

class InvalidCurrency(DenominateError):
    """No unit has a currency that is asked for."""

class InvalidDenomination(DenominateError):
    """What is asked for makes no sense, such as a negative count."""

class AmountNotInMixTable(DenominateError):
    """The mix table has no row for the amount."""

class WorkLimit(DenominateError):
    """The search was ended before its answer was sure; the amount may be dispensable or not."""

def denominate(
    amounts: Mapping[str, Decimal] | Mapping[str, int] | Mapping[str, Decimal | int] | Decimal | int,
    units: Iterable[Unit],
    *,
    mix: str | MixTable = "minimumBills",
    max_items: int | None = None,
    partial: Mapping[str, int] | None = None,
    work_limit: int | None = None,
) -> Denomination:
    """Items from each unit that make up the amounts.

    Args:
        amounts: by currency; or one amount, of the currency that all units share. An `int` or a
            `Decimal`; text will do.
        units: 64 at most; those of other currencies take no part.
        mix: `minimumBills`, `equalEmptying`, `maxCashUnits`, or a table.
        max_items: items altogether, at most.
        partial: by unit, items that must be contained.
        work_limit: steps of the search, some 10 ns each, before it gives up; 2,000,000 by default.

    Raises:
        NotDispensable: no set of items within the limits makes up an amount.
        TooManyItems: every such set has more than `max_items` items.
        AmountNotInMixTable: the table has no row for an amount.
        InvalidCurrency, NoCurrencyMix, InvalidDenomination: the request makes no sense.
        WorkLimit: no answer within `work_limit` steps; nothing is said of the amount.
        ValueError: there is no such mix.
        TypeError: an amount is a float, for example.

    Other threads run while it takes longer than a few microseconds.
    """

@final
class _Floor:
    """What calls cost beside the search, for comparisons: one known answer, given to whoever asks."""

    def __new__(
        cls,
        stock: Stock,
        amounts: Mapping[str, Decimal] | Mapping[str, int] | Mapping[str, Decimal | int] | Decimal | int,
        *,
        mix: str | MixTable = "minimumBills",
        max_items: int | None = None,
        partial: Mapping[str, int] | None = None,
    ) -> _Floor: ...
    def denominate(
        self,
        amounts: Mapping[str, Decimal] | Mapping[str, int] | Mapping[str, Decimal | int] | Decimal | int,
        units: Iterable[Unit],
        *,
        mix: str | MixTable = "minimumBills",
        max_items: int | None = None,
        partial: Mapping[str, int] | None = None,
        work_limit: int | None = None,
    ) -> Denomination:
        """As the function `denominate`, whose arguments are read, without its search."""

    def of_stock(
        self,
        amounts: Mapping[str, Decimal] | Mapping[str, int] | Mapping[str, Decimal | int] | Decimal | int,
        *,
        mix: str | MixTable = "minimumBills",
        max_items: int | None = None,
        partial: Mapping[str, int] | None = None,
        work_limit: int | None = None,
    ) -> Denomination:
        """As `Stock.denominate`, without its search."""

def nearest(
    amounts: Mapping[str, Decimal] | Mapping[str, int] | Mapping[str, Decimal | int] | Decimal | int,
    units: Iterable[Unit],
    *,
    max_items: int | None = None,
    partial: Mapping[str, int] | None = None,
    work_limit: int | None = None,
) -> tuple[Decimal | None, Decimal | None]:
    """The dispensable amounts next to one: the largest not above it, the smallest not below it.

    None where there is no such amount above 0. Arguments and errors are those of `denominate`,
    with one currency.
    """

@final
class Durations:
    """How long things of one kind took; any thread may add to it and read it.

    Args:
        bounds: upper bounds of the buckets in seconds, the least first.

    Attributes:
        buckets: how many took up to each bound, and longer than the last, each counted once.
        total: seconds of all together, exact to the nanosecond for each.

    Raises:
        ValueError: the bounds are not in order.
    """

    def __new__(cls, bounds: Sequence[float], /) -> Durations: ...
    @property
    def buckets(self) -> list[int]: ...
    @property
    def total(self) -> float: ...
    def add(self, seconds: float, /) -> None:
        """Count one; less than nothing counts as nothing."""

@final
class Secret:
    """Bytes that nobody else should see, such as a key or a PIN.

    They lie in memory that is not swapped, if the system permits, and is in no core dump, and are overwritten
    when the object is gone. What takes any bytes (`cryptography`, `memoryview`) can read them where they are.

    Args:
        parts: that are put one after the other; each is copied, and the caller's copy stays as it is.

    Attributes:
        locked: the system has promised not to swap it.
    """

    def __new__(cls, *parts: Buffer) -> Secret: ...
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    @property
    def locked(self) -> bool: ...
    def erase(self) -> None:
        """Overwrite it with zeros, before its time."""

def forbid_dumps() -> bool:
    """Keep this process out of core dumps and away from others' debuggers; whether the system did it."""

@final
class FrameCounter:
    """Counts the frames in a stream of WebSocket, looking at their heads alone (RFC 6455, section 5.2)."""

    def __new__(cls) -> FrameCounter: ...
    def feed(self, data: bytes, /) -> int:
        """How many frames begin in the next piece, wherever it was cut."""

@final
class Link:
    """One end of a virtual session; what it promises is said in `xfs4iot.fleet.link`.

    Args:
        now: the time, in seconds, as in all methods.

    Attributes:
        ended: why it is over; None as long as it is not.
        closed: whether the other end has said that nothing more comes.
        finished: whether both ends have said all, and both know it.
        room: how many bytes `send` takes.
        unacknowledged: how many messages the other end has not consumed.
        has_arrived: whether something has arrived that was not taken.
    """

    WINDOW: Final[int]
    CHUNK: Final[int]
    BEAT_SECONDS: Final[float]
    PATIENCE: Final[float]
    ABSENT_SECONDS: Final[float]
    TTL: Final[float]
    ended: str | None

    def __new__(cls, now: float, /) -> Link: ...
    @property
    def closed(self) -> bool: ...
    @property
    def finished(self) -> bool: ...
    @property
    def room(self) -> int: ...
    @property
    def unacknowledged(self) -> int: ...
    @property
    def has_arrived(self) -> bool: ...
    def send(self, data: bytes, now: float, whole: bool = True) -> int:
        """Send as much of `data` as there is room for; how much that is.

        Args:
            whole: whether a WebSocket frame ends with `data`.
        """

    def close(self, now: float, reason: str = "") -> None:
        """Say that nothing more comes, behind all that was sent."""

    def consumed(self, number: int, now: float) -> None:
        """Take note that all up to this number has been used, so that the other end may send more."""

    def receive(self, message: bytes, now: float) -> None:
        """Take what has arrived; what follows from it is to be taken by `take` and sent by `take_out`.

        Raises:
            ValueError: it is no message of a link.
        """

    def take(self, most: int = 131_072) -> tuple[int, bytes, bool] | None:
        """What has arrived, in one piece of at most so many bytes and one more message; None if nothing has.

        Returns:
            The number to tell to `consumed`, the data, and whether a WebSocket frame ends with it.
        """

    def take_out(self) -> list[bytes]:
        """What is to be sent, in order; the kind is the first byte of each."""

    def nobody(self, now: float) -> None:
        """Take note that the broker knows nobody at the other end just now."""

    def resume(self, now: float) -> None:
        """Tell the other end where both stand: the way between them was broken."""

    def tick(self, now: float) -> None:
        """Let time pass: acknowledge, beat, ask, give up."""

def read_nats(data: bytes, /) -> tuple[list[tuple[int, str, str, bytes, bytes] | bytes], int, int]:
    """What a NATS server has sent, as far as it is whole.

    Returns:
        Messages as number of the subscription, subject, reply, headers and body; other lines as they are.
        Then how many bytes they were, and how many there must be behind them for more; 0 if not known.

    Raises:
        ValueError: no server of NATS sends that.
    """
