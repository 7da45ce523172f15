//! A player on real sockets.
