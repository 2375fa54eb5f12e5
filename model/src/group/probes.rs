//! What a run has reached: the `sometimes` beside every `always`.

use crate::lists::corners;

corners! {
    Executed "a caller was told its command's result",
    AnotherInItsPlace "a caller was told NotExecuted, for another entry was committed at its index",
    LaterTermInFront "a caller was told NotExecuted, for an entry of a later term was committed in front of its own",
    HiddenBySnapshot "a caller was told Unknown, for a received snapshot covers its command",
    Late "a caller who had waited long enough was told Unknown",
    NobodyLed "a caller who had waited long enough for a leader was told NotExecuted",
    Parked "a caller was parked, because no leader was known",
    ParkedThenProposed "a caller was parked, and its command proposed when its server led",
    ParkedThenSentOn "a caller was parked, and told who leads when a leader was known",
    ReadAnswered "a read was answered",
    ReadAskedAgain "a read was asked again, of another leader",
    MetItsFirstCopy "a call that was sent again was committed twice, and executed once",
    EarlierAnswer "a client got the answer to an earlier sending while a later one was under way",
    RestoredRecords "a service was restored from a received snapshot with records",
    RestartedRecords "a service with records came back after a restart",
    BySuccessor "a deposed leader's command was committed by its successor",
    PassedOn "a caller's command was passed on to the leader",
    PassedBack "a command that was passed on came back refused, and was tried again",
    ExecutedThere "a caller was told the result of a command that was passed on",
    LostOnTheWay "a caller was told Unknown, for its command had been passed on and no answer came",
    HeldForTick "a read waited for a tick, because a key was due by its leader's clock",
    CompactedLate "a snapshot was taken of less than what was applied by then",
}
