//! The real program, as people and scripts see it: processes that meet over real sockets. Every wait is for an event.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod away;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod chatter;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod rain;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod room;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod search;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod turn;
#[cfg(test)]
mod turn_server;
