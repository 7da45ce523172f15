//! The wire formats: the signalling, the star, and the document that tells them all.

mod document;
mod page;
mod signal;
mod star;
mod vocabulary;
