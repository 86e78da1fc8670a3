//! The hot paths of xfs4iot: WebSocket framing, the JSON envelope, denomination. And durations, and memory for secrets.
//!
//! Every module but `python` is plain Rust that knows nothing of Python and is
//! tested by `cargo test`; `python` is the extension module `xfs4iot._core`.

pub mod denominate;
pub mod durations;
pub mod envelope;
pub mod frame;
pub mod frame_counter;
pub mod json;
pub mod link;
pub mod nats;
pub mod reply;
pub mod secret;

#[cfg(feature = "python")]
mod python;
