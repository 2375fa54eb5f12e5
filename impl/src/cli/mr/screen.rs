//! What a person sees while a job runs: two bars, if somebody looks, and lines.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use quorate::mr::{Notice, Stage, Status};
use std::io::IsTerminal;
use std::sync::Arc;

/// Standard error.
#[derive(Clone, Debug)]
pub struct Screen {
    bars: Option<(MultiProgress, ProgressBar, ProgressBar)>,
}

impl Screen {
    /// With bars, if it is a terminal.
    pub fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bars: None };
        }
        let all = MultiProgress::new();
        let template = "{prefix:>6} {bar:32} {pos}/{len} {msg}";
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |name: &'static str| {
            all.add(ProgressBar::new(0).with_style(style.clone()).with_prefix(name))
        };
        let (map, reduce) = (bar("map"), bar("reduce"));
        Self { bars: Some((all, map, reduce)) }
    }

    /// A line that stays.
    pub fn line(&self, line: &str) {
        match &self.bars {
            // A terminal that is gone needs no line.
            Some((all, ..)) => drop(all.println(line)),
            None => eprintln!("{line}"),
        }
    }

    /// The same for other threads.
    pub fn notice(&self) -> Notice {
        let screen = self.clone();
        Arc::new(move |line| screen.line(line))
    }

    /// Whether somebody looks.
    pub fn has_bars(&self) -> bool {
        self.bars.is_some()
    }

    /// How far the job is.
    pub fn show(&self, status: &Status) {
        let Some((_, map, reduce)) = &self.bars else { return };
        let set = |bar: &ProgressBar, stage: &Stage| {
            bar.set_length(stage.all().into());
            bar.set_position(stage.done.into());
        };
        set(map, &status.map);
        set(reduce, &status.reduce);
        let eta = status.eta_ms.map(|ms| format!("about {}", super::show::seconds(ms)));
        let in_map = status.map.done < status.map.all();
        let (here, there) = if in_map { (map, reduce) } else { (reduce, map) };
        here.set_message(eta.unwrap_or_default());
        there.set_message("");
    }

    /// Takes the bars away.
    pub fn clear(&self) {
        if let Some((_, map, reduce)) = &self.bars {
            map.finish_and_clear();
            reduce.finish_and_clear();
        }
    }
}
