//! However small the memory and wherever the splits: the output is the reference's.

use std::cmp::Ordering;

use mapreduce::apps::Program;
use mapreduce::apps::sort::Sort;
use mapreduce::streaming::Streaming;
use mapreduce::{
    Application, Combined, Combiner, Emitter, Limits, Order, Outcome, Output, Record, Values,
};
use proptest::prelude::*;

use crate::support::{Setting, compare};

/// All lines that begin with the same byte, in the order in which they were emitted.
struct Joined;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Application for Joined {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        let key = &record.bytes[..record.bytes.len().min(1)];
        out.emit(key, format!("{}:{}", record.offset, hex(record.bytes)).as_bytes());
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        let mut line = String::new();
        while let Some(value) = values.next() {
            line.push(' ');
            line.push_str(std::str::from_utf8(value)?);
        }
        out.write(hex(key).as_bytes(), line.as_bytes());
        Ok(())
    }
}

/// The longest line of each length modulo 5, with a combiner and an order of its own.
struct Longest(Order);

impl Longest {
    fn longest(values: &mut Values<'_>) -> Vec<u8> {
        values
            .collect()
            .into_iter()
            .max_by(|a, b| (a.len(), a).cmp(&(b.len(), b)))
            .unwrap_or_default()
    }
}

impl Application for Longest {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        let key = "kkkkk".get(..record.bytes.len() % 5).ok_or("five")?;
        out.emit(key.as_bytes(), record.bytes);
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        out.write(key, hex(&Self::longest(values)).as_bytes());
        Ok(())
    }

    fn combiner(&self) -> Combiner {
        Combiner::Group
    }

    fn combine(&self, key: &[u8], values: &mut Values<'_>, out: &mut Combined<'_>) -> Outcome {
        out.pair(key, &Self::longest(values));
        Ok(())
    }

    fn order(&self) -> Order {
        self.0
    }
}

/// Each line and how often it comes, in an order of its own, the partition from its first byte.
struct Ordered(Order);

impl Application for Ordered {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        out.count(record.bytes, 1);
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        // Not all values are looked at.
        let first = values.next().ok_or("a group has a value")?.to_vec();
        out.write(hex(key).as_bytes(), &first);
        Ok(())
    }

    fn order(&self) -> Order {
        self.0
    }

    fn partition(&self, key: &[u8], reduces: u32) -> u32 {
        u32::from(key.first().copied().unwrap_or(7)) % reduces
    }
}

fn by_length(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len())
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        6 => prop::sample::select(b"abcAB".to_vec()),
        3 => Just(b'\n'),
        2 => prop::sample::select(b" ,\r\0\t1".to_vec()),
        1 => any::<u8>(),
    ];
    let word = prop_oneof![
        3 => prop::collection::vec(byte, 0..12),
        1 => Just("the same long beginning \u{e4}\u{301}\u{65e5}\n".as_bytes().to_vec()),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn setting() -> impl Strategy<Value = Setting> {
    (1..6_u32, 1..200_u64, 0..6_000_usize, 1..4_usize).prop_map(
        |(reduces, split_bytes, memory_bytes, open_files)| {
            let limits = Limits { memory_bytes, open_files, ..Limits::default() };
            Setting { reduces, split_bytes, limits }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn any_job_is_as_the_reference(one in text(), two in text(), setting in setting()) {
        let texts: [(&str, &[u8]); 3] = [("one", &one), ("two", &two), ("empty", b"")];
        let built_in = |name: &str, arguments: &[String]| {
            Program::built_in(name, arguments).load().expect("an application")
        };
        compare(&*built_in("wc", &[]), &texts, &setting);
        compare(&*built_in("indexer", &[]), &texts, &setting);
        compare(&*built_in("grep", &["(?-u)a.*b|\\xff".to_owned()]), &texts, &setting);
        compare(&*built_in("nocrash", &[]), &texts, &setting);
        // Without programs, the lines as they are.
        compare(&Streaming::default(), &texts, &setting);
        compare(&Joined, &texts, &setting);
        for order in [Order::Bytes, Order::Descending, Order::By(by_length)] {
            compare(&Longest(order), &texts, &setting);
            compare(&Ordered(order), &texts, &setting);
        }
        let borders = vec![b"a".to_vec(), b"abcabcabc".to_vec(), b"abcabcabd".to_vec()];
        compare(&Sort::new(borders), &texts, &setting);
    }
}

/// Enough to spill often and merge in several passes, which is seen in the counters.
#[test]
fn many_spills_and_passes() {
    let mut text = Vec::new();
    for line in 0_u32..20_000 {
        let hash = line.wrapping_mul(2_654_435_761);
        text.extend_from_slice(format!("{hash:08x} word{} x\n", hash % 977).as_bytes());
    }
    let limits = Limits { memory_bytes: 8 << 10, open_files: 2, ..Limits::default() };
    let setting = Setting { reduces: 2, split_bytes: 100_000, limits };
    let texts: [(&str, &[u8]); 1] = [("text", &text)];
    let totals = compare(&Sort::new(vec![b"8".to_vec()]), &texts, &setting);
    assert!(totals.map.spills > 20, "{totals:?}");
    assert!(totals.reduce.spills >= 2, "more than one pass: {totals:?}");
    assert_eq!(totals.map.input_records, 20_000);
    assert_eq!(totals.map.input_bytes, text.len() as u64 - 20_000);
    assert_eq!(totals.reduce.output_records, 20_000);
    assert_eq!(totals.reduce.output_bytes, text.len() as u64);
    let wc = Program::built_in("wc", &[]).load().expect("an application");
    let totals = compare(&*wc, &texts, &setting);
    assert!(totals.map.spills > 20, "{totals:?}");
    let indexer = Program::built_in("indexer", &[]).load().expect("an application");
    compare(&*indexer, &texts, &setting);
    // With room for everything nothing is spilled.
    let roomy = Setting { limits: Limits::default(), ..setting };
    let totals = compare(&*wc, &texts, &roomy);
    assert_eq!((totals.map.spills, totals.reduce.spills), (0, 0));
    assert_eq!(totals.map.output_records, words(&text));
}

/// How many words the text has, counted in the plainest way.
fn words(text: &[u8]) -> u64 {
    let words = text.split(|byte| !byte.is_ascii_alphabetic());
    words.filter(|word| !word.is_empty()).count() as u64
}
