//! What a run has reached: the `sometimes` beside every `always`.

use crate::lists::corners;

corners! {
    Waits "a call waited behind one that was refused",
    WaitsForAll "a question about all keys waited for a call, or a call for it",
    Later "a call that was refused was to be asked again",
    Released "calls that had waited were sent when the first of them was executed",
    Overtaken "a call that was refused was over, because a later one had been executed",
    Late "a call was refused when its client had waited long enough",
    Elsewhere "a client was sent to a group without a server here",
    PassedOn "a call was sent to a group without a server here",
    Stray "a call was executed when its client had long been told that nobody knows",
    OtherWay "a call was taken by another node than the group's first",
    Failed "a group did not execute a call",
    Unknown "nobody knew whether a call was executed",
    ToldUnknown "a client was told that some of a call may have been executed",
    Gone "a session went with calls under way",
}
