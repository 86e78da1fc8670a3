"""The Rust core: WebSocket framing, the JSON envelope, denomination."""

__version__: str
