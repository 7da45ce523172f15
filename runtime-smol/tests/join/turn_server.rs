//! A TURN server in the test's own process, spoken to by streams over TCP or TLS. What it says and keeps is the
//! library's; the sockets are ours.

use async_channel::{Receiver, Sender};
use async_io::Async;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt, io};
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::{ServerConfig, crypto::aws_lc_rs};
use rcgen::{CertifiedKey, KeyPair};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use turn_server_proto::api::{SocketAllocateError, Transmit, TurnServerApi as _, TurnServerPollRet};
use turn_server_proto::server::TurnServer as Machine;
use turn_server_proto::types::TransportType;
use turn_server_proto::types::transmit::TransmitBuild;
use webstar_smol::client::{now, spawn};

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "canary-of-ann-at-turn";

/// The server. Its streams close when it is dropped.
pub(crate) struct TurnServer {
    pub(crate) port: u16,
    events: Sender<Event>,
}

enum Event {
    Opened(SocketAddr, Sender<Vec<u8>>),
    Frame(SocketAddr, Vec<u8>),
    /// A datagram has come to an address that is lent.
    Datagram {
        from: SocketAddr,
        relay: SocketAddr,
        bytes: Vec<u8>,
    },
    Cut,
    End,
}

impl TurnServer {
    /// On a free port of this machine, over TLS with that certificate if one is given.
    pub(crate) fn start(certificate: Option<&CertifiedKey<KeyPair>>) -> Self {
        let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.get_ref().local_addr().expect("an address");
        let (events, coming) = async_channel::unbounded();
        spawn(accept(listener, certificate.map(acceptor), events.clone())).detach();
        spawn(Work::new(address, events.clone()).run(coming)).detach();
        TurnServer { port: address.port(), events }
    }

    /// All streams break; others may come.
    pub(crate) fn cut(&self) {
        self.events.try_send(Event::Cut).expect("it works");
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        let _ = self.events.try_send(Event::End);
    }
}

fn acceptor(made: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = made.signing_key.serialize_der().try_into().expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key));
    TlsAcceptor::from(Arc::new(config.expect("key and certificate fit")))
}

async fn accept(listener: Async<TcpListener>, tls: Option<TlsAcceptor>, events: Sender<Event>) {
    while let Ok((stream, client)) = listener.accept().await {
        let (tls, events) = (tls.clone(), events.clone());
        let talk = async move {
            match tls {
                None => talk(stream, client, events).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(stream, client, events).await,
                    Err(error) => eprintln!("the client refuses: {error}"),
                },
            }
        };
        spawn(talk).detach();
    }
}

/// Frames go in and bytes go out until either side closes.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, client: SocketAddr, events: Sender<Event>) {
    let (mut reader, mut writer) = io::split(stream);
    let (leave, leaving) = async_channel::unbounded::<Vec<u8>>();
    let write = async {
        while let Ok(bytes) = leaving.recv().await {
            writer.write_all(&bytes).await?;
            writer.flush().await?;
        }
        Ok::<(), io::Error>(())
    };
    let read = async {
        events.try_send(Event::Opened(client, leave)).map_err(io::Error::other)?;
        loop {
            let mut frame = vec![0; 4];
            reader.read_exact(&mut frame).await?;
            let told = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
            let length = if frame[0] < 4 { 20 + told } else { 4 + told };
            // Each is filled up to four bytes.
            frame.resize(length.next_multiple_of(4), 0);
            reader.read_exact(&mut frame[4..]).await?;
            frame.truncate(length);
            events.try_send(Event::Frame(client, frame)).map_err(io::Error::other)?;
        }
    };
    let _ended = write.or(read).await;
}

struct Work {
    machine: Machine,
    address: SocketAddr,
    clients: BTreeMap<SocketAddr, Sender<Vec<u8>>>,
    relays: BTreeMap<SocketAddr, Arc<Async<UdpSocket>>>,
    events: Sender<Event>,
}

impl Work {
    fn new(address: SocketAddr, events: Sender<Event>) -> Self {
        let mut machine = Machine::new(TransportType::Tcp, address, "realm".into());
        machine.add_user(USER.into(), PASSWORD.into());
        Work { machine, address, clients: BTreeMap::new(), relays: BTreeMap::new(), events }
    }

    async fn run(mut self, coming: Receiver<Event>) {
        while let Ok(event) = coming.recv().await {
            match event {
                Event::Opened(client, leave) => drop(self.clients.insert(client, leave)),
                Event::Frame(client, frame) => self.hand(TransportType::Tcp, client, self.address, frame),
                Event::Datagram { from, relay, bytes } => self.hand(TransportType::Udp, from, relay, bytes),
                Event::Cut => self.clients.clear(),
                Event::End => {
                    coming.close();
                    return;
                }
            }
            self.drain();
        }
    }

    fn hand(&mut self, transport: TransportType, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let reply = self.machine.recv(Transmit::new(bytes, transport, from, to), now().into());
        if let Some(reply) = reply {
            self.send(TransmitBuild::build(reply));
        }
    }

    fn drain(&mut self) {
        loop {
            match self.machine.poll(now().into()) {
                TurnServerPollRet::AllocateSocket {
                    transport,
                    listen_addr,
                    client_addr,
                    allocation_transport,
                    family,
                } => {
                    let relay = self.lend().map_err(|_| SocketAllocateError::InsufficientCapacity);
                    self.machine.allocated_socket(
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                        relay,
                        now().into(),
                    );
                }
                TurnServerPollRet::WaitUntil(_) => break,
                _ => {}
            }
        }
        while let Some(transmit) = self.machine.poll_transmit(now().into()) {
            self.send(transmit);
        }
    }

    /// An address of this machine. What comes there is an event.
    fn lend(&mut self) -> io::Result<SocketAddr> {
        let socket = Arc::new(Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0))?);
        let relay = socket.get_ref().local_addr()?;
        self.relays.insert(relay, socket.clone());
        let events = self.events.clone();
        let listen = async move {
            let mut room = vec![0; 2_048];
            while let Ok((length, from)) = socket.recv_from(&mut room).await {
                if events.try_send(Event::Datagram { from, relay, bytes: room[..length].to_vec() }).is_err() {
                    break;
                }
            }
        };
        spawn(listen).detach();
        Ok(relay)
    }

    fn send(&mut self, transmit: Transmit<Vec<u8>>) {
        let Transmit { data: mut bytes, transport, from, to } = transmit;
        match transport {
            TransportType::Tcp => {
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                if let Some(client) = self.clients.get(&to) {
                    let _ = client.try_send(bytes);
                }
            }
            TransportType::Udp => {
                if let Some(relay) = self.relays.get(&from) {
                    // What the system does not take is lost, as datagrams are.
                    let _ = relay.get_ref().send_to(&bytes, to);
                }
            }
        }
    }
}
