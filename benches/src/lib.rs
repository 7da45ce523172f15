//! What the benches share: [`scene`] lets two [`machine`]s talk over a path that is not there, [`lobby`] lets the stars of
//! many players talk without links, [`party`] has players with real connections, [`raw`] has connections without us,
//! [`house`] is a lobby server without sockets, [`vocabulary`] has the same frames laid by hand and by serde, and
//! [`processor`] tells what a process takes of the processor.

pub mod house;
pub mod lobby;
pub mod machine;
pub mod party;
pub mod processor;
pub mod raw;
pub mod scene;
pub mod vocabulary;
