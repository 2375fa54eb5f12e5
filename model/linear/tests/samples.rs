//! Big histories.

use linear::kv::{self, Kv};
use linear::sample::{Mix, Sample};
use linear::{Budget, Verdict};
use std::time::Instant;

#[test]
fn timing() {
    for mix in [Mix::Values, Mix::Versions, Mix::Appends, Mix::All] {
        for unknown in [0, 5, 20] {
            let sample =
                Sample { clients: 20, operations: 10_000, keys: 10, mix, unknown, seed: 1 };
            let history = sample.history();
            let begun = Instant::now();
            let report = kv::check(&history, Budget::default());
            println!(
                "{mix:?} {unknown}: {:?} {} {:?} {} {} {:?}",
                begun.elapsed(),
                report.verdict,
                report.counts,
                report.steps,
                report.configurations,
                Kv::of(&history)
            );
            if let Some(place) = report.places.first() {
                println!(
                    "{:?} {:?} {:?}",
                    place.states,
                    history.operations()[place.stuck],
                    place
                        .next
                        .iter()
                        .map(|n| format!("{:?}", history.operations()[*n]))
                        .collect::<Vec<_>>()
                );
                println!(
                    "{} {:?}",
                    place.order.len(),
                    place
                        .order
                        .iter()
                        .rev()
                        .take(5)
                        .map(|n| format!("{:?}", history.operations()[*n]))
                        .collect::<Vec<_>>()
                );
            }
        }
    }
    let _ = Verdict::Ok;
}
