//! A lobby server on real sockets.
