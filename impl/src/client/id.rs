//! Client ids, and how they are written: as a UUID of version 7, which every language can make, or as a number of 64
//! bits.

use super::Error;
use protocol::kv::ClientId;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::{Builder, Uuid, Variant};

/// An id that no other client has (DEP-CLIENT-ID): the time in milliseconds and 74 random bits.
///
/// # Errors
/// If the system has no random numbers.
pub fn fresh() -> Result<ClientId, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| Error::Random(error.to_string()))?;
    let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    Ok(ClientId(Builder::from_unix_timestamp_millis(ms, &random).into_uuid().as_u128()))
}

/// An id as it is sent.
pub fn text(id: ClientId) -> String {
    Uuid::from_u128(id.0).hyphenated().to_string()
}

/// Reads an id: a UUID of version 7, or a positive number of 63 bits of which all but the last 16 are the time. The
/// second is never equal to the first: what follows its 64 bits is 0, and a UUID has its variant there.
pub fn read(bytes: &[u8]) -> Option<ClientId> {
    if let Some(number) = protocol::kv::number::parse_i64(bytes) {
        let number = u128::try_from(number).ok().filter(|&number| number > 0)?;
        return Some(ClientId(number << 64));
    }
    let uuid = Uuid::try_parse_ascii(bytes).ok()?;
    let is_one = uuid.get_version_num() == 7 && uuid.get_variant() == Variant::RFC4122;
    is_one.then(|| ClientId(uuid.as_u128()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_id() {
        let uuid = "019ab7c5-2d00-7abc-8def-0123456789ab";
        let id = read(uuid.as_bytes()).expect("a UUID of version 7");
        assert_eq!(id, ClientId(0x019a_b7c5_2d00_7abc_8def_0123_4567_89ab));
        assert_eq!((id.made_ms(), text(id)), (0x019a_b7c5_2d00, uuid.into()));
        assert_eq!(read(uuid.replace('-', "").as_bytes()), Some(id));
        assert_eq!(read(uuid.to_uppercase().as_bytes()), Some(id));
        let number = read(b"117656198498680832").expect("a number");
        assert_eq!(number.made_ms(), 117_656_198_498_680_832 >> 16);
        let others = [&uuid.replace("-7", "-4"), &uuid.replace("-8", "-0"), &uuid[1..]];
        for none in ["", "0", "-1", "x", "9223372036854775808"].into_iter().chain(others) {
            assert_eq!(read(none.as_bytes()), None, "{none}");
        }
    }

    /// The low half of an id is random: of ten thousand that are made at once no two are equal.
    #[test]
    fn fresh_ids_differ() {
        let ids: std::collections::BTreeSet<ClientId> =
            (0..10_000).map(|_| fresh().expect("random numbers")).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| read(text(*id).as_bytes()) == Some(*id)));
    }
}
