//! JSON that was parsed and has no type yet, and the deserializer that gives it one.
//!
//! Unlike serde_json's own it accepts no array for a struct and no `null` for an absent field, and its
//! errors hold no value. Every string is wiped on drop; serde_json's scratch buffer, through which
//! strings with escapes pass, is not.

use std::{
    fmt::{self, Display},
    marker::PhantomData,
};

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use zeroize::Zeroizing;

/// Objects and arrays inside each other at most.
pub(crate) const MAX_DEPTH: usize = 16;

/// The longest name of an unknown field that an error repeats, in bytes.
const MAX_NAME: usize = 31;

/// Any JSON, as much of it as requests use.
pub(crate) enum Value {
    Text(Zeroizing<String>),
    WholeNumber(u64),
    Boolean(bool),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
    Other,
}

impl Value {
    /// The first field of this name, of an object.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else {
            return None;
        };
        let field = fields.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value)
    }
}

/// Why a value, or the named field of an object, is refused. Values are not in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidValue {
    #[error("is missing")]
    Missing(&'static str),
    #[error("is repeated: send it once")]
    Repeated(&'static str),
    #[error("is unknown: this route takes {}", .1.join(", "))]
    Unknown(String, &'static [&'static str]),
    #[error("must be {0}")]
    Not(String),
}

impl InvalidValue {
    /// The field of the object that is refused.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            Self::Missing(name) | Self::Repeated(name) => Some(name),
            Self::Unknown(name, _) => Some(name),
            Self::Not(_) => None,
        }
    }
}

impl Error for InvalidValue {
    /// The message could hold the value.
    fn custom<T: Display>(_: T) -> Self {
        Self::Not("a value that this route takes".to_owned())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Not(match expected.to_string().as_str() {
            "u64" => "a whole number".to_owned(),
            other => other.to_owned(),
        })
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        let variants: Vec<_> = variants.iter().map(|name| format!("'{name}'")).collect();
        Self::Not(variants.join(" or "))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let plain = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain);
        Self::Unknown(if plain { name } else { "…" }.to_owned(), known)
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::Repeated(name)
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = InvalidValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValue> {
        match self {
            Self::Text(text) => visitor.visit_str(&text),
            Self::WholeNumber(number) => visitor.visit_u64(number),
            Self::Boolean(boolean) => visitor.visit_bool(boolean),
            Self::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Self::Object(fields) => visitor.visit_map(MapDeserializer::new(fields.into_iter())),
            Self::Other => Err(Error::invalid_type(Unexpected::Other("value"), &visitor)),
        }
    }

    /// Only an absent field is `None`.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValue> {
        visitor.visit_some(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidValue> {
        match self {
            Self::Object(_) => self.deserialize_any(visitor),
            _ => Err(InvalidValue::Not("an object".to_owned())),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidValue> {
        match self {
            Self::Text(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            _ => Err(InvalidValue::Not("a string".to_owned())),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, InvalidValue> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier
    }
}

impl<'de> IntoDeserializer<'de, InvalidValue> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Reads any JSON of at most [`MAX_DEPTH`] levels; beyond them, a data error.
#[derive(Clone, Copy, Default)]
pub(crate) struct AnyValue {
    depth: usize,
}

impl AnyValue {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        let inner = (depth <= MAX_DEPTH).then_some(Self { depth });
        inner.ok_or_else(|| E::custom("too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::WholeNumber(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry_seed(PhantomData, inner)? {
            fields.push(field);
        }
        Ok(Value::Object(fields))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Boolean(boolean))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }
}
