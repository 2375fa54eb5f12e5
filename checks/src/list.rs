//! What there is to explore and to hunt: `checks list`.

use crate::catalog;
use crate::report;
use serde_json::{Value, json};

/// For programs.
pub fn json() -> Value {
    let runs = catalog::all().map(|run| {
        json!({
            "name": run.name(), "about": run.about(), "deep": run.is_deep(),
            "bounds": run.bounds(),
        })
    });
    let mutants = catalog::hunts()
        .map(|hunt| hunt.prey())
        .map(|prey| json!({ "id": prey.id, "rule": prey.rule, "text": prey.text }));
    json!({ "runs": runs.collect::<Vec<_>>(), "mutants": mutants.collect::<Vec<_>>() })
}

/// For people.
pub fn text() -> String {
    let runs = catalog::all().map(|run| {
        let kind = if run.is_deep() { "deep" } else { "" };
        [run.name().into(), run.bounds_text(), kind.into(), run.about().into()]
    });
    let runs: Vec<_> = runs.collect();
    let mutants = catalog::hunts()
        .map(|hunt| hunt.prey())
        .map(|prey| [prey.id.into(), prey.rule.into(), prey.text.into()]);
    let mutants: Vec<_> = mutants.collect();
    let runs = report::columns(&["run", "bounds", "", "what for"].map(String::from), &runs, &[]);
    let heads = ["mutant", "rule", "what is wrong"].map(String::from);
    format!("{runs}\n{}", report::columns(&heads, &mutants, &[]))
}
