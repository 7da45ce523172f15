//! What is done with a fuzzer's bytes by what reads them here, as in `sim/src/bodies`: addresses that people type, files of
//! settings, heads of HTTP requests. Each takes whatever it is given and panics only where a promise is broken.

use crate::server::same_head_in_pieces;
use crate::settings::File;
use crate::uri::{Target, relay_url, server_url};
use webstar_core::server::ServerConfig;

/// Something to do with arbitrary bytes.
pub type Body = fn(&[u8]);

/// Every body under the name of its target, which is also that of its corpus.
pub const ALL: [(&str, Body); 3] = [("uris", uris), ("settings_files", settings_files), ("http_heads", http_heads)];

/// A target, and addresses of a server and a relay: what is accepted is accepted again as it was understood; what is not
/// is told in one line.
pub fn uris(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Target::parse(text) {
        Ok(Target { server: Some(server), .. }) => assert_eq!(server_url(&server), Ok(server)),
        Ok(Target { server: None, .. }) => {}
        Err(error) => assert!(!error.found.is_empty() && !error.expected.is_empty()),
    }
    for read in [server_url, relay_url] {
        if let Ok(url) = read(text) {
            assert!(url.starts_with("ws://") || url.starts_with("wss://"), "{url}");
            assert_eq!(read(&url), Ok(url.clone()));
        }
    }
}

/// A file of settings: it is used, or what is wrong is told with a line that it has.
pub fn settings_files(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match File::parse(text) {
        Ok(file) => {
            let mut config = ServerConfig::default();
            file.limits.apply(&mut config);
            // Limits that cannot be used are told, too.
            let _ = config.check();
        }
        Err((line, why)) => {
            assert!((1..=text.matches('\n').count() + 1).contains(&line), "line {line}");
            assert!(!why.is_empty() && !why.contains('\n'), "{why}");
        }
    }
}

/// The head of a request, and whatever follows it: it is the same in whatever pieces it comes.
pub fn http_heads(data: &[u8]) {
    let Some((&piece, rest)) = data.split_first() else { return };
    same_head_in_pieces(rest, usize::from(piece) + 1);
}
