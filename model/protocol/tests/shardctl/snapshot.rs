//! The controller's bytes.

use super::random::wishes;
use super::*;
use proptest::prelude::*;
use protocol::shardctl::DecodeError;

fn encode(controller: &Controller) -> Vec<u8> {
    let mut bytes = Vec::new();
    controller.encode(&mut bytes);
    bytes
}

fn decode(limits: Limits, bytes: &[u8]) -> Result<Controller, DecodeError> {
    Controller::decode(Exact, limits, bytes)
}

/// The first byte of what this build writes.
const FORMAT: u8 = 1;

#[test]
fn the_first_byte_is_the_format() {
    assert_eq!(decode(TEN, &[]).err(), Some(DecodeError::Truncated));
    assert_eq!(decode(TEN, &[9, 10, 0]).err(), Some(DecodeError::Format { found: 9 }));
    let empty = encode(&Controller::new(Exact, TEN));
    let config = [0, 0, 0, 1, 0, 0]; // number, no request, no groups, one run: from 0, nobody's
    assert_eq!(empty, [&[FORMAT, 10, 1][..], &config, &[0]].concat());
    let text = DecodeError::Format { found: 9 }.to_string();
    assert_eq!(text, "the controller's bytes have format 9, this build reads 1");
}

/// The bytes of a small controller, one by one: a change of the layout must be seen here, and takes a new format.
#[test]
fn the_layout_is_pinned() {
    let mut desk = Desk::new(Limits { slots: 4, ..TEN });
    let one = Change::Join(vec![(GroupId(1), vec!["x".into()]), (GroupId(2), vec!["y".into()])]);
    desk.changed(one);
    desk.changed(leave(&[2]));
    desk.finish(1, 2);
    desk.finish(2, 1);
    let client = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let first = [&[1, 1][..], &client, &[1, 2, 1, 1, 1, b'x', 2, 1, 1, b'y', 2, 0, 1, 2, 2]];
    let second = [&[2, 1][..], &client, &[2, 1, 1, 1, 1, b'x', 1, 0, 1]];
    let standings = [2, 1, 2, 0, 2, 1, 2];
    let whole = [&[FORMAT, 4, 2][..], &first.concat(), &second.concat(), &standings].concat();
    assert_eq!(encode(&desk.controller), whole);
}

#[test]
fn another_store_is_refused() {
    let bytes = encode(&Desk::with(TEN, &[1]).controller);
    let other = Limits { slots: 12, ..TEN };
    let refusal = decode(other, &bytes).err();
    assert_eq!(refusal, Some(DecodeError::Slots { found: 10, expected: 12 }));
    let text = refusal.map(|error| error.to_string());
    let expected = "the controller's bytes are of 10 slots, this store has 12";
    assert_eq!(text.as_deref(), Some(expected));
}

#[test]
fn a_length_is_no_reason_to_allocate() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let config = [0, 0, 0, 1, 0, 0];
    let group = [0, 0, 1, 1];
    for front in [&[][..], &[1, 0, 0], &[1, 0, 0, 0], &[&[1][..], &group].concat()] {
        let bytes = [&[FORMAT, 10], front, &huge].concat();
        assert!(decode(TEN, &bytes).is_err());
    }
    let standings = [&[FORMAT, 10, 1], &config[..], &huge].concat();
    assert_eq!(decode(TEN, &standings).err(), Some(DecodeError::Truncated));
}

/// What no controller holds is not read.
#[test]
fn what_no_controller_holds_is_refused() {
    let damaged = |bytes: &[u8], what| {
        let whole = [&[FORMAT, 4][..], bytes].concat();
        let refusal = decode(Limits { slots: 4, ..TEN }, &whole).err();
        assert_eq!(refusal, Some(DecodeError::Invalid(what)), "{bytes:?}");
    };
    let empty = [0, 0, 0, 1, 0, 0];
    let one = [0, 0, 1, 1, 1, 1, b'x', 1, 0, 1];
    damaged(&[0], "there is no configuration");
    damaged(&[&[2], &empty[..], &empty].concat(), "configurations are out of order");
    let third = [2, 0, 0, 1, 0, 0];
    damaged(&[&[2], &empty[..], &third].concat(), "configurations are out of order");
    damaged(&[1, 0, 2], "a request");
    damaged(&[1, 0, 0, 1, 0], "groups are out of order");
    damaged(&[1, 0, 0, 1, 1, 0], "a group's nodes");
    damaged(&[1, 0, 0, 1, 1, 1, 0], "a group's nodes");
    damaged(&[1, 0, 0, 0, 0], "runs of slots are out of order");
    damaged(&[1, 0, 0, 0, 1, 1, 0], "runs of slots are out of order");
    damaged(&[1, 0, 0, 0, 2, 0, 0, 1, 0], "runs of slots are out of order");
    damaged(&[1, 0, 0, 0, 1, 0, 5], "a run of slots of no group");
    let far = [1, 0, 0, 1, 1, 1, 1, b'x', 2, 0, 0, 4, 1];
    damaged(&far, "runs of slots are out of order");
    damaged(&[&[1], &one[..], &[0]].concat(), "a group without a standing");
    damaged(&[&[1], &one[..], &[1, 1, 1, 0]].concat(), "a group's standing");
    damaged(&[&[1], &one[..], &[1, 1, 0, 1]].concat(), "a group's standing");
    damaged(&[&[1], &one[..], &[2, 1, 0, 0, 2, 0, 0]].concat(), "a group's standing");
    let fifth = [5, 0, 1, 1, 1, 1, b'x', 1, 0, 1];
    damaged(&[&[1], &fifth[..], &[1, 1, 4, 0]].concat(), "a group's standing");
    damaged(&[&[1], &one[..], &[1, 1, 0, 0, 7]].concat(), "bytes are left over");
    let huge = [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    damaged(&huge, "a configuration's number");
}

proptest! {
    #![proptest_config(cases(1000))]

    /// CTL-SNAP-1: what is read is equal to what was written, and goes on alike.
    #[test]
    fn a_snapshot_is_all_of_it(before in wishes(30), after in wishes(10)) {
        let mut desk = Desk::grown(TEN, &before);
        let bytes = encode(&desk.controller);
        let controller = decode(TEN, &bytes).expect("a controller's own bytes");
        prop_assert!(controller == desk.controller);
        prop_assert_eq!(encode(&controller), bytes);
        let mut again = Desk { controller, asked: desk.asked };
        for wish in &after {
            prop_assert_eq!(again.wish(wish), desk.wish(wish));
        }
        prop_assert!(again.controller == desk.controller);
    }

    /// Bytes that are read are a controller's: they are written so again, and it can go on.
    #[test]
    fn changed_bytes_are_refused_or_a_controller(
        before in wishes(15),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
        after in wishes(10),
    ) {
        let mut bytes = encode(&Desk::grown(TEN, &before).controller);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(controller) = decode(TEN, &bytes) {
            prop_assert_eq!(encode(&controller), bytes);
            let mut desk = Desk { controller, asked: 0 };
            for wish in &after {
                desk.wish(wish);
            }
        }
    }

    #[test]
    fn every_beginning_is_too_short(before in wishes(15), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&Desk::grown(TEN, &before).controller);
        let front = &bytes[..cut.index(bytes.len())];
        prop_assert_eq!(decode(TEN, front).err(), Some(DecodeError::Truncated));
    }

    #[test]
    fn noise_is_no_controller(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let noise = [&[FORMAT, 10][..], &noise].concat();
        if let Ok(controller) = decode(TEN, &noise) {
            prop_assert_eq!(encode(&controller), noise);
        }
    }
}
