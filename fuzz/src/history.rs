//! Files of histories. Bytes are a history, which is read again as it is written, or they are refused with their line;
//! and a history, however strange, is judged within its budget.

use linear::kv::{self, History, file};
use linear::{Budget, Verdict, text, timeline};

const BUDGET: Budget = Budget { steps: 20_000, memory_bytes: 64 << 20 };

fn written(history: &History) -> Vec<u8> {
    let mut bytes = Vec::new();
    file::write(history, &mut bytes).expect("a vector takes all bytes");
    bytes
}

/// The input is a file.
pub fn run(input: &[u8]) -> bool {
    let history = match file::read(input) {
        Ok(history) => history,
        Err(error) => {
            assert!(error.to_string().contains("line"), "{error} says where");
            return false;
        }
    };
    let bytes = written(&history);
    let again = file::read(&bytes[..]).expect("what is written is read");
    assert_eq!(again, history, "and as it was");
    assert_eq!(written(&again), bytes);
    let report = kv::check(&history, BUDGET);
    let again = kv::check(&history, BUDGET);
    assert_eq!(report.verdict, again.verdict, "it is judged alike each time");
    if report.verdict != Verdict::Ok {
        assert!(!report.places.is_empty(), "what is not good is shown");
        for place in &report.places {
            assert!(!text::place(&history, place).is_empty());
            assert!(timeline::draw(&history, place).contains("</svg>"));
        }
    }
    true
}
