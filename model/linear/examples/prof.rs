use linear::Budget;
use linear::kv;
use linear::sample::{Mix, Sample};
fn main() {
    let mix = match std::env::args().nth(1).as_deref() {
        Some("values") => Mix::Values,
        Some("versions") => Mix::Versions,
        Some("appends") => Mix::Appends,
        _ => Mix::All,
    };
    let n = |i| std::env::args().nth(i).and_then(|s| s.parse().ok());
    let history = Sample {
        clients: 20,
        operations: n(3).unwrap_or(10_000),
        keys: 10,
        mix,
        unknown: n(2).unwrap_or(0),
        seed: n(5).unwrap_or(1),
    }
    .history();
    for _ in 0..n(4).unwrap_or(5) {
        let t = std::time::Instant::now();
        let r = kv::check(&history, Budget::default());
        println!("{:?} {} {} {}", t.elapsed(), r.verdict, r.steps, r.configurations);
    }
}
