//! From one shard to another: a connection with everything that belongs to it.

use super::connection::Connection;
use super::{InputError, Output, Server};
use crate::id::{ConnectionId, ShardId};
use crate::wire::signal::{CloseReason, ErrorCode};

/// A connection on its way from one shard to another, with what it has said and was not answered, what waits for it, and
/// the bytes that were given out for it and not yet told to be written: these are told to the other shard.
#[derive(Debug)]
pub struct Parcel {
    connection: Box<Connection>,
}

impl Server {
    /// Gives the connection away.
    pub(super) fn send_parcel(&mut self, id: ConnectionId, to: ShardId) {
        let Some(connection) = self.exchange.remove(id) else { return };
        self.addresses.close(self.exchange.now, connection.address);
        let parcel = Box::new(Parcel { connection });
        self.exchange.out.push_back(Output::Move { connection: id, to, parcel });
    }

    /// Takes a connection over, and goes on with what it wants.
    pub(super) fn on_moved(&mut self, id: ConnectionId, parcel: Parcel) -> Result<(), InputError> {
        self.check_free(id)?;
        self.addresses.adopt(self.exchange.now, parcel.connection.address);
        self.exchange.insert(id, parcel.connection);
        if self.closing.is_some() {
            self.refuse(id, ErrorCode::ShuttingDown, 0);
            self.exchange.doom(id, CloseReason::ShuttingDown);
        } else {
            self.proceed(id);
        }
        Ok(())
    }

    pub(super) fn check_free(&self, id: ConnectionId) -> Result<(), InputError> {
        if self.exchange.get(id).is_some() { Err(InputError::ConnectionTaken(id)) } else { Ok(()) }
    }
}
