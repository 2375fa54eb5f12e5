//! What random worlds have seen, or they would have shown nothing.

/// How often what happened, so that a run that has seen nothing is noticed.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    pub executed: usize,
    pub refused: usize,
    pub installed: usize,
    /// Installs while there were faults.
    pub amid_faults: usize,
    pub deleted: usize,
    pub leaders: usize,
    pub restarts: usize,
    pub reads: usize,
    /// Work that was executed while the slot was being copied.
    pub while_giving: usize,
    /// Configurations that were applied while another slot was on its way by an earlier one.
    pub overtaken: usize,
    /// Configurations by which a taker gave up what its giver had called off.
    pub called_off: usize,
    /// Steps of moves that were refused as over.
    pub over: usize,
    /// Parts that were staged.
    pub staged: usize,
}

impl Seen {
    const fn counts(&self) -> [(&'static str, usize); 12] {
        [
            ("executed", self.executed),
            ("refused", self.refused),
            ("staged", self.staged),
            ("installed", self.installed),
            ("installed amid faults", self.amid_faults),
            ("deleted", self.deleted),
            ("called off", self.called_off),
            ("over", self.over),
            ("reads", self.reads),
            ("while giving", self.while_giving),
            ("overtaken", self.overtaken),
            ("restarts", self.restarts),
        ]
    }

    pub fn add(&mut self, other: &Self) {
        self.executed += other.executed;
        self.refused += other.refused;
        self.staged += other.staged;
        self.installed += other.installed;
        self.amid_faults += other.amid_faults;
        self.deleted += other.deleted;
        self.called_off += other.called_off;
        self.over += other.over;
        self.reads += other.reads;
        self.while_giving += other.while_giving;
        self.overtaken += other.overtaken;
        self.restarts += other.restarts;
        self.leaders += other.leaders;
    }

    pub fn assert_all_seen(&self) {
        for (what, count) in self.counts() {
            assert!(count > 300, "{what}: {count}");
        }
    }
}
