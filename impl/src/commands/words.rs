//! What COMMAND says of a command in single words.

/// Makes a set of words that fits a number, with their texts.
macro_rules! words {
    ($(#[$about:meta])* $set:ident: $($(#[$doc:meta])* $name:ident = $bit:literal $text:literal;)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $set(u32);

        impl $set {
            /// No word.
            pub const NONE: Self = Self(0);
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// All words of both.
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether all words of the other are among these.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The words in Redis' order. One without a text is for this program only, and left out.
            pub fn texts(self) -> impl Iterator<Item = &'static str> {
                let all = [$((Self::$name, $text)),*];
                let here = move |&(word, text): &(Self, &'static str)| {
                    self.contains(word) && !text.is_empty()
                };
                all.into_iter().filter(here).map(|(_, text)| text)
            }
        }
    };
}

words! {
    /// What a command does and when it may be done.
    Flags:
    /// May change keys.
    WRITE = 0 "write";
    /// Reads keys and changes none.
    READONLY = 1 "readonly";
    /// May need more memory.
    DENYOOM = 2 "denyoom";
    /// For whoever runs the servers.
    ADMIN = 3 "admin";
    /// Not for scripts.
    NOSCRIPT = 4 "noscript";
    /// May wait.
    BLOCKING = 5 "blocking";
    /// May be done before the data is there.
    LOADING = 6 "loading";
    /// May be done by a server that may lag behind.
    STALE = 7 "stale";
    /// Not shown to monitors.
    SKIP_MONITOR = 8 "skip_monitor";
    /// Not logged as slow.
    SKIP_SLOWLOG = 9 "skip_slowlog";
    /// Takes constant time, or nearly.
    FAST = 10 "fast";
    /// May be done before AUTH.
    NO_AUTH = 11 "no_auth";
    /// Not while data is loaded in the background.
    NO_ASYNC_LOADING = 12 "no_async_loading";
    /// May be done while a script runs too long.
    ALLOW_BUSY = 13 "allow_busy";
    /// May go without the keys that its kind has.
    NO_MANDATORY_KEYS = 14 "no_mandatory_keys";
    /// Its keys can't be told from first, last and step alone.
    MOVABLEKEYS = 15 "movablekeys";
    /// The next word says what is meant.
    CONTAINER = 16 "";
}

words! {
    /// The groups by which commands are allowed and listed.
    Categories:
    /// Keys, whatever their values.
    KEYSPACE = 0 "keyspace";
    /// Reads.
    READ = 1 "read";
    /// Writes.
    WRITE = 2 "write";
    /// Strings.
    STRING = 3 "string";
    /// For whoever runs the servers.
    ADMIN = 4 "admin";
    /// Quick.
    FAST = 5 "fast";
    /// Everything that is not quick.
    SLOW = 6 "slow";
    /// May wait.
    BLOCKING = 7 "blocking";
    /// To be thought about before it is allowed.
    DANGEROUS = 8 "dangerous";
    /// The connection.
    CONNECTION = 9 "connection";
    /// Transactions.
    TRANSACTION = 10 "transaction";
    /// Scripts.
    SCRIPTING = 11 "scripting";
}

impl Categories {
    /// These and what a command with the flags always belongs to.
    pub const fn implied_by(self, flags: Flags) -> Self {
        let rules = [
            (Flags::WRITE, Self::WRITE),
            (Flags::READONLY, Self::READ),
            (Flags::ADMIN, Self::ADMIN.and(Self::DANGEROUS)),
            (Flags::BLOCKING, Self::BLOCKING),
            (Flags::FAST, Self::FAST),
        ];
        let mut all = self;
        let mut at = 0;
        while at < rules.len() {
            if flags.contains(rules[at].0) {
                all = all.and(rules[at].1);
            }
            at += 1;
        }
        if flags.contains(Flags::FAST) { all } else { all.and(Self::SLOW) }
    }

    /// The group of this name, in whatever case.
    pub fn named(name: &[u8]) -> Option<Self> {
        let groups = (0..u32::BITS).map(|bit| Self(1 << bit));
        let mut named = groups
            .filter(|group| group.texts().any(|text| text.as_bytes().eq_ignore_ascii_case(name)));
        named.next()
    }
}
