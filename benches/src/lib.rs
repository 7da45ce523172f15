//! What the benches share: [`scene`] lets two [`machine`]s talk over a path that is not there, and [`vocabulary`] has the
//! same frames laid by hand and by serde.

pub mod machine;
pub mod scene;
pub mod vocabulary;
