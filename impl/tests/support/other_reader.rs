//! Answers as another reader of the protocol understands them, in our words.

use quorate::resp::Frame;
use redis_protocol::{resp2, resp3};

/// What the other reader makes of RESP2.
pub fn from_resp2(frame: resp2::types::OwnedFrame) -> Frame {
    use resp2::types::OwnedFrame as Other;
    match frame {
        Other::SimpleString(text) => Frame::Simple(text),
        Other::Error(text) => Frame::Error(text.into_bytes()),
        Other::Integer(value) => Frame::Integer(value),
        Other::BulkString(bytes) => Frame::Bulk(bytes),
        Other::Array(items) => Frame::Array(items.into_iter().map(from_resp2).collect()),
        Other::Null => Frame::Null,
    }
}

/// The same of RESP3. `None` where the two mean different things: it has no order of pairs and elements.
pub fn from_resp3(frame: resp3::types::OwnedFrame) -> Option<Frame> {
    use resp3::types::{OwnedFrame as Other, VerbatimStringFormat as Format};
    let all = |items: Vec<Other>| items.into_iter().map(from_resp3).collect::<Option<Vec<_>>>();
    Some(match frame {
        Other::SimpleString { data, .. } => Frame::Simple(data),
        Other::SimpleError { data, .. } => Frame::Error(data.into_bytes()),
        Other::BlobError { data, .. } => Frame::Error(data),
        Other::Number { data, .. } => Frame::Integer(data),
        Other::BlobString { data, .. } => Frame::Bulk(data),
        Other::Null => Frame::Null,
        Other::Double { data, .. } => Frame::Double(data),
        Other::Boolean { data, .. } => Frame::Boolean(data),
        Other::BigNumber { data, .. } => Frame::BigNumber(String::from_utf8(data).ok()?),
        Other::VerbatimString { data, format: Format::Text, .. } => Frame::Verbatim(*b"txt", data),
        Other::VerbatimString { data, .. } => Frame::Verbatim(*b"mkd", data),
        Other::Array { data, .. } => Frame::Array(all(data)?),
        Other::Push { data, .. } => Frame::Push(all(data)?),
        _ => return None,
    })
}

/// Equal, where no number equals no number, and each null the other.
pub fn same(left: &Frame, right: &Frame) -> bool {
    let all = |left: &[Frame], right: &[Frame]| {
        left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
    };
    match (left, right) {
        (Frame::Double(left), Frame::Double(right)) => {
            left == right || left.is_nan() && right.is_nan()
        }
        (Frame::Null | Frame::NullArray, Frame::Null | Frame::NullArray) => true,
        (Frame::Array(left), Frame::Array(right))
        | (Frame::Push(left), Frame::Push(right))
        | (Frame::Set(left), Frame::Set(right)) => all(left, right),
        (Frame::Map(left), Frame::Map(right)) => {
            let pair =
                |((a, b), (c, d)): (&(Frame, Frame), &(Frame, Frame))| same(a, c) && same(b, d);
            left.len() == right.len() && left.iter().zip(right).all(pair)
        }
        _ => left == right,
    }
}
