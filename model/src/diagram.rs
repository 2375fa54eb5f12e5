//! A path as a sequence diagram: a self-contained SVG with one lifeline for each server.
//!
//! Time runs downward, one row for each action, numbered as in the transcript. A message is an
//! arrow from the row in which it was *sent* to the row in which it arrives, so messages that
//! overtake each other cross. What a row changes stands beside the lifeline, and the lifeline has
//! its server's role as colour.
//!
//! `story.rs` replays the path and notes what there is to draw, `layout.rs` gives everything its
//! place, `paint.rs` and `legend.rs` draw it, `svg.rs` knows the markup.
//!
//! Only one server acts in a row, so texts of one row stand to the left or the right of one
//! lifeline, and rows are as high as their texts: texts never meet. Arrows may pass behind a text;
//! its white halo keeps it legible.

mod layout;
mod legend;
mod paint;
mod story;
mod svg;

use crate::cluster::{Action, Cluster, State};
use protocol::raft::Rules;
use stateright::Model;

/// The sequence diagram of a path from the model's initial state, as a whole SVG document.
///
/// A path that the model does not have is drawn as far as it goes, and a banner says which step is
/// not possible.
pub fn sequence<R: Rules>(cluster: &Cluster<R>, actions: &[Action]) -> String {
    let start = cluster.init_states().into_iter().next().expect("a cluster has one initial state");
    sequence_from(cluster, &start, actions)
}

/// The sequence diagram of a path from `start`: see [`sequence`]. Messages that are under way in
/// `start` come out of the diagram's first row.
pub fn sequence_from<R: Rules>(
    cluster: &Cluster<R>,
    start: &State<R>,
    actions: &[Action],
) -> String {
    let story = story::Story::of(cluster, start, actions);
    let layout = layout::Layout::of(&story);
    paint::paint(&story, &layout)
}
