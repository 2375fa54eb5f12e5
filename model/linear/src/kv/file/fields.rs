//! The fields of a line, and what they say.

use super::super::Told;
use super::super::op::{Bytes, Op, Ret};
use super::Problem;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A key or a value.
pub struct Text(pub Bytes);

/// A line.
#[derive(Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub time_us: u64,
    pub client: u64,
    pub event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops: Option<Vec<OpFields>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<RetFields>>,
}

/// An operation.
#[derive(Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields)]
pub struct OpFields {
    pub op: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(skip)]
    pub ops: Option<Vec<Self>>,
}

/// An outcome.
#[derive(Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields)]
pub struct RetFields {
    pub outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    #[serde(skip)]
    pub results: Option<Vec<Self>>,
}

pub fn absent(what: &'static str, fields: &[(&'static str, bool)]) -> Result<(), Problem> {
    let extra = fields.iter().find(|(_, there)| *there);
    extra.map_or(Ok(()), |&(field, _)| Err(Problem::Extra { what, field }))
}

fn need<T>(what: &'static str, field: &'static str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or(Problem::Missing { what, field })
}

impl Line {
    pub fn with_op(self, fields: OpFields) -> Self {
        let OpFields { op, key, expected, value, version, ops } = fields;
        Self { op, key, expected, value, version, ops, ..self }
    }

    pub fn with_ret(self, fields: RetFields) -> Self {
        let RetFields { outcome, value, version, length, results } = fields;
        Self { outcome, value, version, length, results, ..self }
    }
}

impl OpFields {
    pub fn op(self) -> Result<Op, Problem> {
        let Self { op, key, expected, value, version, ops } = self;
        let op = need("a call", "op", op)?;
        let what = match op.as_str() {
            "get" => "a get",
            "set" => "a set",
            "put" => "a put",
            "append" => "an append",
            "delete" => "a delete",
            "cas" => "a cas",
            "multi" => "a multi",
            _ => return Err(Problem::Op(op)),
        };
        let op = op.as_str();
        let takes = |names: &[&str]| names.contains(&op);
        absent(
            what,
            &[
                ("key", key.is_some() && op == "multi"),
                ("value", value.is_some() && !takes(&["set", "put", "append", "cas"])),
                ("version", version.is_some() && !takes(&["put", "delete"])),
                ("expected", expected.is_some() && op != "cas"),
                ("ops", ops.is_some() && op != "multi"),
            ],
        )?;
        if op == "multi" {
            let ops = need(what, "ops", ops)?.into_iter().map(Self::op);
            let ops = ops.collect::<Result<Vec<Op>, _>>()?;
            let plain = ops.iter().all(|op| op.key().is_some());
            return if plain && !ops.is_empty() { Ok(Op::Multi(ops)) } else { Err(Problem::Multi) };
        }
        let Text(key) = need(what, "key", key)?;
        let value = || need(what, "value", value).map(|Text(value)| value);
        Ok(match op {
            "get" => Op::Get { key },
            "set" => Op::Set { key, value: value()? },
            "put" => {
                let expected = need(what, "version", version)?;
                Op::Put { key, value: value()?, expected }
            }
            "append" => Op::Append { key, value: value()? },
            "delete" => Op::Delete { key, expected: version },
            _ => {
                let Text(expected) = need(what, "expected", expected)?;
                Op::Cas { key, expected, value: value()? }
            }
        })
    }

    pub fn of(op: &Op) -> Self {
        let text = |bytes: &Bytes| Some(Text(Bytes::clone(bytes)));
        let name = |name: &str| Some(name.to_string());
        let key = op.key().and_then(text);
        match op {
            Op::Get { .. } => Self { op: name("get"), key, ..Self::default() },
            Op::Set { value, .. } => {
                Self { op: name("set"), key, value: text(value), ..Self::default() }
            }
            Op::Put { value, expected, .. } => {
                let version = Some(*expected);
                Self { op: name("put"), key, value: text(value), version, ..Self::default() }
            }
            Op::Append { value, .. } => {
                Self { op: name("append"), key, value: text(value), ..Self::default() }
            }
            Op::Delete { expected, .. } => {
                Self { op: name("delete"), key, version: *expected, ..Self::default() }
            }
            Op::Cas { expected, value, .. } => {
                let (expected, value) = (text(expected), text(value));
                Self { op: name("cas"), key, expected, value, ..Self::default() }
            }
            Op::Multi(ops) => {
                let ops = Some(ops.iter().map(Self::of).collect());
                Self { op: name("multi"), ops, ..Self::default() }
            }
        }
    }
}

impl RetFields {
    /// An outcome of which there is no more to say.
    pub fn named(outcome: &str) -> Self {
        Self { outcome: Some(outcome.into()), ..Self::default() }
    }

    pub fn told(self) -> Result<Told, Problem> {
        let outcome = need("a return", "outcome", self.outcome.clone())?;
        let told = match outcome.as_str() {
            "maybe" => Told::Maybe,
            "unknown" => Told::Unknown,
            "not_executed" => Told::NotExecuted,
            _ => return self.ret(&outcome).map(Told::Reply),
        };
        let Self { value, version, length, results, .. } = self;
        absent(
            "a return without a reply",
            &[
                ("value", value.is_some()),
                ("version", version.is_some()),
                ("length", length.is_some()),
                ("results", results.is_some()),
            ],
        )?;
        Ok(told)
    }

    fn ret(self, outcome: &str) -> Result<Ret, Problem> {
        let Self { value, version, length, results, .. } = self;
        let what = match outcome {
            "ok" => "an ok",
            "no_key" => "a no_key",
            "mismatch" => "a mismatch",
            "many" => "a many",
            _ => return Err(Problem::Outcome(outcome.into())),
        };
        let ok = outcome == "ok";
        absent(
            what,
            &[
                ("value", value.is_some() && !ok),
                ("version", version.is_some() && !ok),
                ("length", length.is_some() && !ok),
                ("results", results.is_some() && outcome != "many"),
            ],
        )?;
        Ok(match outcome {
            "ok" => Ret::Done { value: value.map(|Text(value)| value), version, length },
            "no_key" => Ret::NoKey,
            "mismatch" => Ret::Mismatch,
            _ => {
                let each = |fields: Self| {
                    let outcome = need("a result", "outcome", fields.outcome.clone())?;
                    fields.ret(&outcome)
                };
                let results = need(what, "results", results)?;
                Ret::Many(results.into_iter().map(each).collect::<Result<_, Problem>>()?)
            }
        })
    }

    pub fn of(ret: &Ret) -> Self {
        let outcome = |name: &str| Some(name.to_string());
        match ret {
            Ret::Done { value, version, length } => Self {
                outcome: outcome("ok"),
                value: value.as_ref().map(|value| Text(Bytes::clone(value))),
                version: *version,
                length: *length,
                results: None,
            },
            Ret::NoKey => Self { outcome: outcome("no_key"), ..Self::default() },
            Ret::Mismatch => Self { outcome: outcome("mismatch"), ..Self::default() },
            Ret::Many(rets) => {
                let results = Some(rets.iter().map(Self::of).collect());
                Self { outcome: outcome("many"), results, ..Self::default() }
            }
        }
    }
}

/// Whether an operation can be told this at all.
pub fn suits(op: &Op, told: &Told) -> Result<(), Problem> {
    match told {
        Told::Reply(ret) => suits_reply(op, ret),
        Told::Maybe | Told::Unknown | Told::NotExecuted => Ok(()),
    }
}

fn suits_reply(op: &Op, ret: &Ret) -> Result<(), Problem> {
    let never = || Problem::Never { op: op.to_string(), outcome: ret.to_string() };
    match (op, ret) {
        (Op::Get { .. }, Ret::Done { value, length, .. }) => {
            need("an ok to a get", "value", value.as_ref())?;
            absent("an ok to a get", &[("length", length.is_some())])
        }
        (Op::Append { .. }, Ret::Done { .. })
        | (Op::Get { .. } | Op::Put { .. } | Op::Delete { .. }, Ret::NoKey)
        | (Op::Put { .. } | Op::Cas { .. }, Ret::Mismatch)
        | (Op::Delete { expected: Some(_), .. }, Ret::Mismatch) => Ok(()),
        (Op::Multi(ops), Ret::Many(rets)) if ops.len() == rets.len() => {
            ops.iter().zip(rets).try_for_each(|(op, ret)| suits_reply(op, ret))
        }
        (Op::Multi(_), _) => Err(never()),
        (_, Ret::Done { value, length, .. }) => {
            let there = [("value", value.is_some()), ("length", length.is_some())];
            absent("an ok to this operation", &there)
        }
        _ => Err(never()),
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(self.0.iter()),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of bytes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.as_bytes().into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(Text(bytes.into()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
