//! Reading of lists and texts that is bounded before memory is taken: a claimed length is never believed.

use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A list of at most `N`.
pub(in crate::wire) fn list<'de, const N: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(List::<N, T>(PhantomData))
}

/// A text of at most `N` bytes.
pub(super) fn text<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() <= N { Ok(text) } else { Err(D::Error::custom(format_args!("a text of more than {N} bytes"))) }
}

/// A text of at most `N` bytes, or none.
pub(super) fn optional_text<'de, const N: usize, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    if text.as_ref().is_none_or(|text| text.len() <= N) {
        Ok(text)
    } else {
        Err(D::Error::custom(format_args!("a text of more than {N} bytes")))
    }
}

struct List<const N: usize, T>(PhantomData<T>);

impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for List<N, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {N}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == N {
                return Err(A::Error::custom(format_args!("a list of more than {N}")));
            }
            list.push(item);
        }
        Ok(list)
    }
}
