//! What a run has reached: the `sometimes` beside every `always`.

use crate::lists::corners;

corners! {
    Done "the job was done, and the coordinator went",
    JobFailed "the job failed, and the coordinator went",
    Late "an attempt that was given up was told as finished, and won",
    TooLate "an attempt was told as finished when its task was won",
    BackedUp "a task that took long was run a second time",
    BackupWon "the second attempt won",
    OriginalWon "the first attempt won, and a second one was stopped",
    WentOn "a worker came back with what it ran",
    CameBackSilent "a worker that had fallen silent was heard again and went on",
    Stopped "a worker came back with what it ran, and had to stop it",
    ToldAgain "what had finished was told again over a later connection",
    LateGone "an earlier connection's end came when its worker had a later one",
    Recovered "a coordinator began with winners of an earlier one",
    EarlierLife "an attempt of an earlier life won",
    PublishedAgain "an output was asked for again that had its name already",
    Forgotten "the coordinator died before the disk had a winner",
    LostOutput "an output was lost, and its map run again",
    Unneeded "a map's output could not be read and was not missed",
    Skipped "an attempt was to skip a record, and won",
    Torn "half a file was left behind",
    Hung "a worker was silent for good, and others did its work",
    Refused "a stranger was sent away",
    Empty "a job without input had its outputs",
    Parked "a worker that had waited got work",
    TakenUp "a job was done that had failed, and was asked for again",
    Elsewhere "a task that had failed on a worker which had nothing to do was run on another",
    SameAgain "a task was run where it had failed, for there was nobody else",
    Alone "a worker left that found no coordinator",
}
