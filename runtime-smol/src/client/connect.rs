//! From a host's name to a stream of bytes: resolution, TCP, TLS. Patience is the machine's: it closes what takes too
//! long, which drops the future.

use async_io::{Async, Timer};
use futures_lite::{AsyncRead, AsyncWrite, FutureExt};
use futures_rustls::client::TlsStream;
use futures_rustls::pki_types::ServerName;
use futures_rustls::{TlsConnector, rustls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A host with several addresses: the next one is tried beside the others after this.
const HEAD_START: Duration = Duration::from_millis(250);

/// A stream of bytes to a server.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(Tcp),
    Tls(Box<TlsStream<Tcp>>),
}

/// A TCP stream that is read again only when the system says that something has come: its reader asks many times.
#[derive(Debug)]
pub(super) struct Tcp {
    io: Async<TcpStream>,
    /// The last read has left nothing.
    is_drained: bool,
}

impl Transport {
    /// Where the server is.
    pub(super) fn server(&self) -> Option<IpAddr> {
        self.tcp().peer_addr().ok().map(|address| address.ip())
    }

    /// Which of our addresses it is open from.
    pub(super) fn local(&self) -> Option<IpAddr> {
        self.tcp().local_addr().ok().map(|address| address.ip())
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Transport::Plain(stream) => stream.io.get_ref(),
            Transport::Tls(stream) => stream.get_ref().0.io.get_ref(),
        }
    }
}

/// Connects, with TLS if a way to check certificates is given.
pub(super) async fn connect(host: &str, port: u16, tls: Option<TlsConnector>) -> Result<Transport> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = bare.clone();
    let addresses = blocking::unblock(move || (name, port).to_socket_addrs().map(Vec::from_iter)).await;
    let addresses = addresses.map_err(|error| Error::new(error.kind(), format!("{bare} is unknown: {error}")))?;
    secured(first_of(addresses).await?, tls.map(|tls| (tls, bare))).await
}

/// The same to one address; with TLS the certificate must bear the name beside.
pub(super) async fn connect_to(address: SocketAddr, tls: Option<(TlsConnector, String)>) -> Result<Transport> {
    secured(to_address(address).await?, tls).await
}

async fn secured(tcp: Async<TcpStream>, tls: Option<(TlsConnector, String)>) -> Result<Transport> {
    tcp.get_ref().set_nodelay(true)?;
    let tcp = Tcp { io: tcp, is_drained: true };
    let Some((tls, name)) = tls else { return Ok(Transport::Plain(tcp)) };
    let name = ServerName::try_from(name).map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
    let secured = tls.connect(name, tcp).await.map_err(explained)?;
    Ok(Transport::Tls(Box::new(secured)))
}

/// The certificate that `openssl req -x509` makes if it is not told otherwise is the one refusal that needs words.
fn explained(error: Error) -> Error {
    if error.to_string().contains("CaUsedAsEndEntity") {
        let why = "the server's certificate is one of an authority, not of a server: make it with \
                   `-addext basicConstraints=critical,CA:FALSE`";
        return Error::new(error.kind(), why);
    }
    error
}

type Attempt = Pin<Box<dyn Future<Output = Result<Async<TcpStream>>> + Send>>;

/// The first address that answers.
async fn first_of(addresses: Vec<SocketAddr>) -> Result<Async<TcpStream>> {
    let mut last = Error::new(ErrorKind::NotFound, "the host has no address");
    let mut waiting = addresses.into_iter();
    let mut running: Vec<Attempt> = Vec::new();
    loop {
        match waiting.next() {
            Some(address) => running.push(Box::pin(to_address(address))),
            None if running.is_empty() => return Err(last),
            None => {}
        }
        let any = std::future::poll_fn(|cx| {
            let ready = |attempt: &mut Attempt| match attempt.as_mut().poll(cx) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            };
            match running.iter_mut().map(ready).enumerate().find_map(|(at, result)| Some((at, result?))) {
                Some(done) => Poll::Ready(Some(done)),
                None => Poll::Pending,
            }
        });
        let done = if waiting.len() == 0 {
            any.await
        } else {
            any.or(async {
                Timer::after(HEAD_START).await;
                None
            })
            .await
        };
        match done {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((at, Err(error))) => {
                drop(running.swap_remove(at));
                last = error;
            }
            None => {}
        }
    }
}

async fn to_address(address: SocketAddr) -> Result<Async<TcpStream>> {
    let connected = Async::<TcpStream>::connect(address).await;
    connected.map_err(|error| Error::new(error.kind(), format!("{address}: {error}")))
}

/// The checks of certificates: the system's roots, and those of a PEM file. Reads files.
pub(super) fn tls(certificates: Option<&Path>) -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = certificates {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::InvalidInput, format!("the certificates of {}: {error}", path.display()))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

macro_rules! either {
    ($me:expr, $stream:ident => $call:expr) => {
        match $me.get_mut() {
            Transport::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Transport::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        loop {
            if self.is_drained {
                ready!(self.io.poll_readable(cx))?;
            }
            let read = self.io.get_ref().read(buffer);
            self.is_drained = match &read {
                Ok(length) => *length < buffer.len(),
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            if !matches!(&read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)) {
                return Poll::Ready(read);
            }
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        either!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        either!(self, stream => stream.poll_close(cx))
    }
}
