//! One value, or several of them in an array.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Unexpected, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, OneOfBuilder, RefOr, Schema},
};
use zeroize::Zeroizing;

/// Strings in one array at most.
const MAX_ITEMS: usize = 1000;

/// One value, or several of them in an array.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// An array of up to 1,000 values.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values, in their order.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<T: PartialSchema> PartialSchema for OneOrMany<T> {
    fn schema() -> RefOr<Schema> {
        let many = ArrayBuilder::new().items(T::schema());
        let many = many.max_items(Some(MAX_ITEMS));
        OneOfBuilder::new().item(T::schema()).item(many).into()
    }
}

impl<T: ToSchema> ToSchema for OneOrMany<T> {
    fn name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::name()).into()
    }
}

/// Values stay out of logs.
impl<T> fmt::Debug for OneOrMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(_) => f.write_str("One(..)"),
            Self::Many(values) => write!(f, "Many(.. {} values)", values.len()),
        }
    }
}

/// Not derived: serde buffers an untagged enum and does not wipe the buffer.
impl<'de> Deserialize<'de> for OneOrMany<Zeroizing<String>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOrStrings)
    }
}

struct StringOrStrings;

impl<'de> Visitor<'de> for StringOrStrings {
    type Value = OneOrMany<Zeroizing<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string or an array of up to {MAX_ITEMS} strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == MAX_ITEMS {
                return Err(A::Error::invalid_type(Unexpected::Seq, &self));
            }
            items.push(item);
        }
        Ok(OneOrMany::Many(items))
    }
}
