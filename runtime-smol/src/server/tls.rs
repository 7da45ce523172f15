//! The server's certificate and key, read at the start and again when they were renewed, and the TLS handshake with them.

use super::BindError;
use async_io::Async;
use futures_rustls::rustls::ServerConfig;
use futures_rustls::rustls::crypto::aws_lc_rs;
use futures_rustls::rustls::pki_types::pem::PemObject;
use futures_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::server::TlsStream;
use futures_rustls::{TlsAcceptor, rustls};
use std::fmt::Display;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that vouch for it, in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Ready to greet clients.
pub(super) struct Tls {
    files: TlsFiles,
    /// Who greets the next ones. A connection keeps the one that it was greeted by.
    acceptor: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Reads the files.
    pub(super) fn load(files: TlsFiles) -> Result<Self, BindError> {
        let acceptor = RwLock::new(read(&files)?);
        Ok(Tls { files, acceptor })
    }

    /// Reads the files again, for those who come from now on. If they cannot be used, all stays as it is.
    pub(super) fn reload(&self) -> Result<(), BindError> {
        let fresh = read(&self.files)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) async fn accept(&self, stream: Async<TcpStream>) -> io::Result<TlsStream<Async<TcpStream>>> {
        let acceptor = self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(stream).await
    }
}

fn read(files: &TlsFiles) -> Result<TlsAcceptor, BindError> {
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(&files.certificate, &error))?;
    if certificates.is_empty() {
        return Err(wrong(&files.certificate, &"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error: rustls::Error| wrong(&files.key, &format!("it does not fit the certificate: {error}")))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn wrong(file: &Path, why: &dyn Display) -> BindError {
    BindError::Tls { file: file.into(), why: why.to_string() }
}
