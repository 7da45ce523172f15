//! From the command line to settings, or to a sentence that says what is wrong.

use super::ice::{self, Turn};
use super::values::{Flood, Pair};
use super::{Delivery, Join};
use std::collections::BTreeMap;
use std::time::Duration;
use webstar_core::peer::{Channel, Wish};
use webstar_core::wire::signal::{Metadata, PeerId, Secret};
use webstar_smol::client::Options;
use webstar_smol::uri::{Target, relay_url, server_url};

/// What `join` does.
pub(super) struct Settings {
    pub(super) options: Options,
    pub(super) channel: Channel,
    pub(super) stay: bool,
    pub(super) flood: Option<Flood>,
    pub(super) stats: Option<Duration>,
    pub(super) json: bool,
}

pub(super) fn of(join: &Join) -> Result<Settings, String> {
    let target = Target::parse(&join.target).map_err(|error| error.to_string())?;
    let names_server = target.server.is_some();
    let options = Options::to_target(target).map_err(|error| error.to_string())?;
    let mut options = options.name(&join.name).map_err(|error| format!("--name: {error}"))?;
    match &join.server {
        Some(_) if names_server => return Err("the target names a server already; leave --server out".into()),
        Some(server) => options.config.signaling_server = server_url(server).map_err(|error| error.to_string())?,
        None => {}
    }
    if let Some(relay) = &join.relay {
        options.config.relay_server = Some(relay_url(relay).map_err(|error| error.to_string())?);
    }
    lobby(join, &mut options)?;
    let request = &mut options.request;
    request.password = secret("--password-env", join.password_env.as_deref())?;
    request.admission = secret("--token-env", join.token_env.as_deref())?;
    request.spectator = join.spectator;
    if let Some(name) = &join.peer_id {
        request.peer_id = Some(PeerId::new(name).map_err(|error| format!("--peer-id: {error}"))?);
    }
    if join.relaxed {
        options.config.heartbeat_interval = Duration::from_secs(2);
        options.config.heartbeat_timeout = Duration::from_secs(8);
    }
    if let Some(delivery) = join.delivery {
        options.config.safe_ordered = delivery == Delivery::Safe;
        options.config.safe_reliable = delivery == Delivery::Safe;
    }
    options.config.set_mode(join.mode.into());
    let turn =
        Turn { urls: &join.turn, user: join.turn_user.as_deref(), password_env: join.turn_password_env.as_deref() };
    options.direct.servers = ice::servers(&join.stun, turn)?;
    options.config.allow_fork = join.allow_fork;
    options.config.snapshots = join.history;
    options.config.authority = join.authority;
    options.config.referee_rate = join.referee_rate;
    options.config.referee_size = join.referee_size;
    options.config.referee_kick_at = join.referee_kick_at;
    options.config.tick = join.tick;
    options.config.upload = join.upload;
    let priorities = join.priority.iter().map(|named| (named.kind.clone(), named.priority));
    options.config.priorities = priorities.collect();
    if options.config.priorities.len() < join.priority.len() {
        return Err("--priority: a kind stands there twice; name it once".into());
    }
    if let Some(net) = join.net {
        options.config.simulate_packet_loss = net.loss;
        options.config.simulate_latency = net.latency;
        options.config.simulate_jitter = net.jitter;
        options.config.simulate_duplicates = net.duplicates;
        options.config.simulate_reordering = net.reordering;
    }
    options.config.debug = tracing::enabled!(tracing::Level::DEBUG);
    options.certificates.clone_from(&join.ca);
    options.record.clone_from(&join.record);
    let (channel, stay, flood, stats) = (join.channel.into(), join.stay, join.flood, join.stats);
    if stats.is_some_and(|every| every < Duration::from_millis(10)) {
        return Err("--stats: at most every 10ms".into());
    }
    Ok(Settings { options, channel, stay, flood, stats, json: join.json })
}

/// The rules of a lobby that is made.
fn lobby(join: &Join, options: &mut Options) -> Result<(), String> {
    let is_named = matches!(options.request.wish, Wish::Named(_));
    if is_named && !join.create {
        options.request.create = None;
        if join.public || join.max.is_some() || !join.meta.is_empty() {
            return Err("--public, --max and --meta are rules of a new lobby; add --create".into());
        }
        return Ok(());
    }
    let Some(create) = &mut options.request.create else { return Ok(()) };
    create.public = join.public;
    if let Some(max) = join.max {
        if !(2..=64).contains(&max) {
            return Err(format!("--max: {max} is none; a lobby has 2 to 64 members"));
        }
        create.max_players = max;
    }
    create.metadata = metadata("--meta", &create.metadata, &join.meta)?;
    Ok(())
}

/// Pairs from the command line, over those that are there.
pub(crate) fn metadata(flag: &str, known: &Metadata, pairs: &[Pair]) -> Result<Metadata, String> {
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let mut values: BTreeMap<String, String> = known.iter().map(own).collect();
    values.extend(pairs.iter().map(|Pair(key, value)| (key.clone(), value.clone())));
    Metadata::new(values).map_err(|error| format!("{flag}: {error}"))
}

pub(super) fn secret(flag: &str, variable: Option<&str>) -> Result<Option<Secret>, String> {
    let Some(variable) = variable else { return Ok(None) };
    match std::env::var(variable) {
        Ok(value) => Secret::new(value).map(Some).map_err(|error| format!("{flag}: {error}")),
        Err(_) => Err(format!("{flag}: the environment variable {variable} is not set, or is no UTF-8")),
    }
}
