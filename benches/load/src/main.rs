//! Keeps a service busy and counts its answers.
//!
//! One thread, non-blocking sockets. All frames are built before the clock starts; while it
//! runs, the generator only writes prepared bytes and counts the frames that come back, so
//! that it is never what is measured. It prints one JSON object: commands, seconds, its own
//! processor time (far below `seconds` when the service is the bottleneck) and latencies.

use std::io::{Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::{CertificateDer, ServerName};

const REPLIES_PER_COMMAND: u64 = 2;
const PREPARED: usize = 1024;
const AMOUNTS: usize = 100;

struct Options {
    host: String,
    port: u16,
    path: String,
    connections: usize,
    in_flight: usize,
    seconds: f64,
    warm_up: f64,
    ca: Option<String>,
    command: String,
    version: String,
    payload: String,
}

fn options() -> Options {
    let mut options = Options {
        host: "127.0.0.1".into(),
        port: 5846,
        path: "/xfs4iot/v1.0".into(),
        connections: 1,
        in_flight: 1,
        seconds: 2.0,
        warm_up: 0.3,
        ca: None,
        command: "Common.Status".into(),
        version: "3.0".into(),
        payload: "{}".into(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--host" => options.host = value,
            "--port" => options.port = value.parse().expect("--port is a number"),
            "--path" => options.path = value,
            "--connections" => options.connections = value.parse().expect("a number"),
            "--in-flight" => options.in_flight = value.parse().expect("a number"),
            "--seconds" => options.seconds = value.parse().expect("a number"),
            "--warm-up" => options.warm_up = value.parse().expect("a number"),
            "--ca" => options.ca = Some(value),
            "--command" => options.command = value,
            "--version" => options.version = value,
            "--payload" => options.payload = value,
            _ => panic!("unknown option {name}"),
        }
    }
    options
}

/// A masked text frame that holds one command. The mask is zero: legal, and free to apply.
///
/// Without a version it is in the envelope of 2021-1. `AMOUNT` in the payload becomes another amount in each
/// of many frames, so that no answer serves twice.
fn frame(options: &Options, request_id: usize) -> Vec<u8> {
    let (command, version) = (&options.command, &options.version);
    let amount = 10 * (1 + request_id * 37 % AMOUNTS);
    let payload = options.payload.replace("AMOUNT", &amount.to_string());
    let version = match version.as_str() {
        "" => String::new(),
        version => format!(r#","version":"{version}""#),
    };
    let text = format!(
        r#"{{"header":{{"name":"{command}","requestId":{request_id},"type":"command"{version}}},"payload":{payload}}}"#
    );
    let mut bytes = vec![0x81];
    if text.len() < 126 {
        bytes.push(0x80 | text.len() as u8);
    } else {
        bytes.push(0x80 | 126);
        bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Counts whole frames in a byte stream.
#[derive(Default)]
struct Counter {
    header: Vec<u8>,
    skip: u64,
}

impl Counter {
    fn count(&mut self, mut data: &[u8]) -> u64 {
        let mut frames = 0;
        while !data.is_empty() {
            if self.skip > 0 {
                let step = self.skip.min(data.len() as u64);
                self.skip -= step;
                data = &data[step as usize..];
                if self.skip == 0 {
                    frames += 1;
                }
                continue;
            }
            self.header.push(data[0]);
            data = &data[1..];
            if self.header.len() < 2 {
                continue;
            }
            assert_eq!(self.header[0], 0x81, "the service sent no whole text frame");
            let length = match self.header[1] {
                126 if self.header.len() == 4 => {
                    u64::from(u16::from_be_bytes([self.header[2], self.header[3]]))
                }
                127 if self.header.len() == 10 => {
                    u64::from_be_bytes(self.header[2..10].try_into().expect("eight bytes"))
                }
                126 | 127 => continue,
                short => u64::from(short),
            };
            self.header.clear();
            self.skip = length;
            if length == 0 {
                frames += 1;
            }
        }
        frames
    }
}

struct Connection {
    socket: TcpStream,
    tls: Option<rustls::ClientConnection>,
    out: Vec<u8>,
    sent_at: std::collections::VecDeque<Instant>,
    counter: Counter,
    half: u64,
    next: usize,
}

impl Connection {
    fn queue(&mut self, frames: &[Vec<u8>], count: usize, now: Instant) {
        for _ in 0..count {
            let frame = &frames[self.next % PREPARED];
            self.next += 1;
            match &mut self.tls {
                Some(tls) => tls.writer().write_all(frame).expect("a memory buffer"),
                None => self.out.extend_from_slice(frame),
            }
            self.sent_at.push_back(now);
        }
    }

    fn write(&mut self) {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                    Err(error) => panic!("write: {error}"),
                }
            }
            return;
        }
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(written) => {
                    self.out.drain(..written);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("write: {error}"),
            }
        }
    }

    /// Commands completed by what has arrived.
    fn read(&mut self, buffer: &mut [u8]) -> u64 {
        let mut frames = 0;
        loop {
            let size = match &mut self.tls {
                None => match self.socket.read(buffer) {
                    Ok(0) => panic!("the service closed the connection"),
                    Ok(size) => size,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("read: {error}"),
                },
                Some(tls) => match tls.reader().read(buffer) {
                    Ok(size) if size > 0 => size,
                    _ => match tls.read_tls(&mut self.socket) {
                        Ok(0) => panic!("the service closed the connection"),
                        Ok(_) => {
                            tls.process_new_packets().expect("TLS");
                            continue;
                        }
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                        Err(error) => panic!("read: {error}"),
                    },
                },
            };
            frames += self.counter.count(&buffer[..size]);
        }
        self.half += frames;
        let done = self.half / REPLIES_PER_COMMAND;
        self.half %= REPLIES_PER_COMMAND;
        done
    }
}

fn tls_configuration(ca: &str) -> Arc<rustls::ClientConfig> {
    let pem = std::fs::read(ca).expect("the CA file");
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_pemfile::certs(&mut pem.as_slice()) {
        let certificate: CertificateDer<'static> = certificate.expect("PEM");
        roots.add(certificate).expect("a CA certificate");
    }
    Arc::new(
        rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

fn open(
    options: &Options,
    address: SocketAddr,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> Connection {
    let mut socket = std::net::TcpStream::connect(address).expect("connect");
    socket.set_nodelay(true).expect("nodelay");
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        options.path, options.host, options.port
    );
    let mut session = tls.map(|configuration| {
        let name = ServerName::try_from(options.host.clone()).expect("a host name");
        let mut made = rustls::ClientConnection::new(configuration.clone(), name).expect("TLS");
        // What is in flight is bounded already; a peer that reads late must not end the run.
        made.set_buffer_limit(None);
        made
    });
    let mut answer = Vec::new();
    let mut byte = [0u8; 1];
    match &mut session {
        Some(session) => {
            let mut stream = rustls::Stream::new(session, &mut socket);
            stream.write_all(request.as_bytes()).expect("request");
            while !answer.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).expect("answer");
                answer.push(byte[0]);
            }
        }
        None => {
            socket.write_all(request.as_bytes()).expect("request");
            while !answer.ends_with(b"\r\n\r\n") {
                socket.read_exact(&mut byte).expect("answer");
                answer.push(byte[0]);
            }
        }
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 101"),
        "no upgrade: {}",
        String::from_utf8_lossy(&answer)
    );
    socket.set_nonblocking(true).expect("non-blocking");
    Connection {
        socket: TcpStream::from_std(socket),
        tls: session,
        out: Vec::new(),
        sent_at: std::collections::VecDeque::new(),
        counter: Counter::default(),
        half: 0,
        next: 0,
    }
}

fn processor_seconds() -> f64 {
    // SAFETY: getrusage fills the struct it is given and reads nothing else.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn main() {
    let options = options();
    let address = (options.host.as_str(), options.port)
        .to_socket_addrs()
        .expect("the host")
        .next()
        .expect("an address");
    let tls = options.ca.as_deref().map(tls_configuration);
    let frames: Vec<Vec<u8>> = (1..=PREPARED).map(|id| frame(&options, id)).collect();
    let mut connections: Vec<Connection> = (0..options.connections)
        .map(|_| open(&options, address, tls.as_ref()))
        .collect();
    let mut poll = Poll::new().expect("poll");
    for (index, connection) in connections.iter_mut().enumerate() {
        poll.registry()
            .register(
                &mut connection.socket,
                Token(index),
                Interest::READABLE | Interest::WRITABLE,
            )
            .expect("register");
    }
    let mut buffer = vec![0u8; 1 << 18];
    let mut events = Events::with_capacity(1024);
    let began = Instant::now();
    let count_from = began + Duration::from_secs_f64(options.warm_up);
    let end = count_from + Duration::from_secs_f64(options.seconds);
    for connection in &mut connections {
        connection.queue(&frames, options.in_flight, began);
        connection.write();
    }
    let mut commands = 0u64;
    let mut processor = processor_seconds();
    let mut counting = false;
    let mut latencies: Vec<u32> = Vec::with_capacity(1 << 20);
    let mut now = began;
    while now < end {
        poll.poll(&mut events, Some(end - now)).expect("poll");
        now = Instant::now();
        if !counting && now >= count_from {
            counting = true;
            commands = 0;
            latencies.clear();
            processor = processor_seconds();
        }
        for event in &events {
            let connection = &mut connections[event.token().0];
            if event.is_readable() {
                let done = connection.read(&mut buffer);
                commands += done;
                for _ in 0..done {
                    if let Some(sent) = connection.sent_at.pop_front() {
                        if latencies.len() < latencies.capacity() {
                            latencies.push((now - sent).as_micros() as u32);
                        }
                    }
                }
                connection.queue(&frames, done as usize, now);
            }
            connection.write();
        }
    }
    latencies.sort_unstable();
    let quantile = |part: f64| {
        latencies
            .get(((latencies.len() as f64 * part) as usize).min(latencies.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    let seconds = (now - count_from).as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "commands": commands,
            "seconds": seconds,
            "commands_per_second": commands as f64 / seconds,
            "generator_processor_seconds": processor_seconds() - processor,
            "latency_us": {"median": quantile(0.5), "p99": quantile(0.99)},
        })
    );
}
