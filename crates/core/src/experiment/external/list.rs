//! Lists of a length that the type fixes, written `[1, 2]`; RON alone would want a tuple, `(1, 2)`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn fixed<T, E: Error, const N: usize>(list: Vec<T>) -> Result<[T; N], E> {
    let length = list.len();
    list.try_into().map_err(|_| E::invalid_length(length, &format!("a list of {N}").as_str()))
}

/// A list that must be given.
pub(super) mod exact {
    use super::{Deserialize, Deserializer, Serialize, Serializer, fixed};

    pub(in super::super) fn serialize<S: Serializer, T: Serialize, const N: usize>(
        list: &[T; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        list.as_slice().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[T; N], D::Error> {
        fixed(Vec::deserialize(deserializer)?)
    }
}

/// A list that may be left out.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Serialize, Serializer, fixed};

    #[expect(clippy::ref_option, reason = "serde gives the field as it is")]
    pub(in super::super) fn serialize<S: Serializer, T: Serialize, const N: usize>(
        list: &Option<[T; N]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        list.as_ref().map(<[T; N]>::as_slice).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<Option<[T; N]>, D::Error> {
        Option::<Vec<T>>::deserialize(deserializer)?.map(fixed).transpose()
    }
}
