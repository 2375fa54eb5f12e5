//! stub
use crate::cluster::{Action, Cluster, State};
use protocol::raft::Rules;
/// stub
pub fn step<R: Rules>(_: &Cluster<R>, _: &State<R>, _: &Action) -> Option<Vec<String>> {
    None
}
