//! The player: one machine played by hand (`alone`), and several over a lobby server played by hand (`world`).

mod alone;
mod authority;
mod bounds;
mod delivery;
mod direct;
mod hostile;
mod join;
mod life;
mod migration;
mod options;
mod parting;
mod priorities;
mod recording;
mod relay;
mod server;
mod star;
mod ticket;
mod upload;
mod world;
