"""The Rust core: WebSocket framing, the JSON envelope, denomination."""

from typing import final

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
        version: the command's; None for the envelope of 2021-1.
    """

def completion(
    name: str,
    request_id: int,
    version: str | None,
    code: str,
    error_description: str | None = None,
    payload: bytes | None = None,
) -> bytes:
    """Build the frame that completes a command.

    Args:
        version: the completion's; None for the envelope of 2021-1, where code and
            description join the payload's properties.
        code: the completion code.
        payload: the text of a JSON object.

    Raises:
        ValueError: `payload` is not an object.
    """

def event(name: str, request_id: int | None, version: str | None, payload: bytes | None = None) -> bytes:
    """Build the frame of an event: of the command `request_id`, or, with None, unsolicited.

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
