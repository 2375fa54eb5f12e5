//! `kvsrv1`: Puts over a version.

use crate::labs::clerk::{CallEnd, Caller};
use crate::labs::lab::{Lab, Outcome};
use crate::labs::store::linearizable;
use protocol::kv::{Bytes, Op, Reply};

fn put(value: &str, expected: u64) -> Op {
    Op::Put { value: Bytes::from(value), expected }
}

fn ends_in(lab: &mut Lab, by: &mut Caller, key: &str, op: Op, expected: Reply) -> Outcome {
    let (text, end) = (format!("{op:?} of {key}"), by.call(lab, key, op)?);
    let fine = end == CallEnd::Reply(expected.clone());
    lab.require(fine, || format!("{text} ends in {end:?}, not in {expected:?}"))
}

/// What a Put says when its version fits, when it does not, and when the key is not there.
pub fn reliable_put(lab: &mut Lab) -> Outcome {
    let mut caller = Caller::new(lab);
    let by = &mut caller;
    ends_in(lab, by, "k", put("6.5840", 0), Reply::Written { version: 1 })?;
    let value = Reply::Value { value: Bytes::from("6.5840"), version: 1 };
    ends_in(lab, by, "k", Op::Get, value)?;
    ends_in(lab, by, "k", put("6.5840", 0), Reply::VersionMismatch)?;
    ends_in(lab, by, "y", put("6.5840", 1), Reply::NoKey)?;
    ends_in(lab, by, "y", Op::Get, Reply::NoKey)?;
    linearizable(lab)
}

/// A hundred Puts of which no copy does anything a second time, and of which some end in Maybe.
pub fn unreliable_net(lab: &mut Lab) -> Outcome {
    let (mut caller, mut maybes) = (Caller::new(lab), 0);
    for round in 0..100 {
        for copy in 0.. {
            let end = caller.call(lab, "k", put(&copy.to_string(), round))?;
            if end == CallEnd::Maybe {
                maybes += 1;
                continue;
            }
            let expected = match copy {
                0 => Reply::Written { version: round + 1 },
                _ => Reply::VersionMismatch,
            };
            lab.require(end == CallEnd::Reply(expected), || {
                format!("Put {copy} over version {round} ends in {end:?}")
            })?;
            break;
        }
        let value = Reply::Value { value: Bytes::from("0"), version: round + 1 };
        ends_in(lab, &mut caller, "k", Op::Get, value)?;
    }
    lab.require(maybes > 0, || "no Put has ended in Maybe".into())?;
    linearizable(lab)
}
