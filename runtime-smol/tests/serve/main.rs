//! The lobby server on real sockets: pages, WebSockets, hostile clients, attacks, shards, the local network, and the
//! program's own flags, its certificates, and its end.

#[cfg(test)]
#[cfg(target_os = "linux")]
mod abuse;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lan;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod program;
#[cfg(test)]
#[cfg(unix)]
mod reload;
#[cfg(test)]
mod sockets;
