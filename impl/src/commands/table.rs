//! The table. What Redis and Valkey have is told as they tell it (Redis 7.0; `client|setinfo`,
//! `client|no-touch` and `cluster|myshardid` 7.2, `delex` and `cluster|migration` 8.4; `delifeq` and the slot
//! migrations Valkey 9), so that their clients route and split requests as they are used to.

use super::{Categories, Command, Flags, KeyRange};

type Tips = &'static [&'static str];

const NONE: Tips = &[];
const ALL_MIN: Tips = &["request_policy:all_shards", "response_policy:agg_min"];
const ALL_SPECIAL: Tips =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];
const ALL_SUCCEED: Tips = &["request_policy:all_shards", "response_policy:all_succeeded"];
const ALL_SUM: Tips = &["request_policy:all_shards", "response_policy:agg_sum"];
const ALL_UNORDERED: Tips = &["request_policy:all_shards", "nondeterministic_output_order"];
const ALL_VARIES: Tips = &["request_policy:all_shards", "nondeterministic_output"];
const NODES_SUCCEED: Tips = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const SPECIAL: Tips = &["nondeterministic_output", "request_policy:special"];
const SPLIT: Tips = &["request_policy:multi_shard"];
const SPLIT_MIN: Tips = &["request_policy:multi_shard", "response_policy:agg_min"];
const SPLIT_SUCCEED: Tips = &["request_policy:multi_shard", "response_policy:all_succeeded"];
const SPLIT_SUM: Tips = &["request_policy:multi_shard", "response_policy:agg_sum"];
const UNORDERED: Tips = &["nondeterministic_output_order"];
const VARIES: Tips = &["nondeterministic_output"];

/// Makes the table and the enum of its rows, in one order: name, arity, flags, keys, groups, tips.
macro_rules! table {
    ($($id:ident $name:literal $arity:literal [$($flag:ident)*] ($first:literal, $last:literal, $step:literal)
        [$($group:ident)*] $tips:ident;)*) => {
        /// Which command, or which subcommand. The numbers are the places in the [`TABLE`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Id {
            $(#[doc = concat!("`", $name, "`")] $id,)*
        }

        /// Every command; the subcommands of a container follow it.
        pub const TABLE: &[Command] = &[$(Command {
            id: Id::$id,
            name: $name,
            arity: $arity,
            flags: Flags::NONE$(.and(Flags::$flag))*,
            range: KeyRange { first: $first, last: $last, step: $step },
            groups: Categories::NONE$(.and(Categories::$group))*,
            tips: $tips,
        },)*];
    };
}

table! {
    // The connection.
    Ping "ping" -1 [FAST] (0, 0, 0) [CONNECTION] ALL_SUCCEED;
    Echo "echo" 2 [LOADING STALE FAST] (0, 0, 0) [CONNECTION] NONE;
    Quit "quit" -1 [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY] (0, 0, 0) [CONNECTION] NONE;
    Reset "reset" 1 [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY] (0, 0, 0) [CONNECTION] NONE;
    Hello "hello" -1 [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY] (0, 0, 0) [CONNECTION] NONE;
    Auth "auth" -2 [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY] (0, 0, 0) [CONNECTION] NONE;
    Select "select" 2 [LOADING STALE FAST] (0, 0, 0) [CONNECTION] NONE;
    Client "client" -2 [CONTAINER] (0, 0, 0) [] NONE;
    ClientId "client|id" 2 [NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientSetname "client|setname" 3 [NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientGetname "client|getname" 2 [NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientSetinfo "client|setinfo" 4 [NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientInfo "client|info" 2 [NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] VARIES;
    ClientList "client|list" -2 [ADMIN NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] VARIES;
    ClientKill "client|kill" -3 [ADMIN NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientNoEvict "client|no-evict" 3 [ADMIN NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientNoTouch "client|no-touch" 3 [NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientReply "client|reply" 3 [NOSCRIPT LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    ClientHelp "client|help" 2 [LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    Readonly "readonly" 1 [LOADING STALE FAST] (0, 0, 0) [CONNECTION] NONE;
    Readwrite "readwrite" 1 [LOADING STALE FAST] (0, 0, 0) [CONNECTION] NONE;
    Asking "asking" 1 [FAST] (0, 0, 0) [CONNECTION] NONE;
    // The server.
    Command "command" -1 [LOADING STALE CONTAINER] (0, 0, 0) [CONNECTION] UNORDERED;
    CommandCount "command|count" 2 [LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    CommandInfo "command|info" -2 [LOADING STALE] (0, 0, 0) [CONNECTION] UNORDERED;
    CommandDocs "command|docs" -2 [LOADING STALE] (0, 0, 0) [CONNECTION] UNORDERED;
    CommandGetkeys "command|getkeys" -3 [LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    CommandList "command|list" -2 [LOADING STALE] (0, 0, 0) [CONNECTION] UNORDERED;
    CommandHelp "command|help" 2 [LOADING STALE] (0, 0, 0) [CONNECTION] NONE;
    Config "config" -2 [CONTAINER] (0, 0, 0) [] NONE;
    ConfigGet "config|get" -3 [ADMIN NOSCRIPT LOADING STALE] (0, 0, 0) [] NONE;
    ConfigSet "config|set" -4 [ADMIN NOSCRIPT LOADING STALE] (0, 0, 0) [] NODES_SUCCEED;
    ConfigResetstat "config|resetstat" 2 [ADMIN NOSCRIPT LOADING STALE] (0, 0, 0) [] NONE;
    ConfigHelp "config|help" 2 [LOADING STALE] (0, 0, 0) [] NONE;
    Info "info" -1 [LOADING STALE] (0, 0, 0) [DANGEROUS] ALL_SPECIAL;
    Dbsize "dbsize" 1 [READONLY FAST] (0, 0, 0) [KEYSPACE] ALL_SUM;
    Flushall "flushall" -1 [WRITE] (0, 0, 0) [KEYSPACE DANGEROUS] ALL_SUCCEED;
    Flushdb "flushdb" -1 [WRITE] (0, 0, 0) [KEYSPACE DANGEROUS] ALL_SUCCEED;
    Time "time" 1 [LOADING STALE FAST] (0, 0, 0) [] VARIES;
    Wait "wait" 3 [NOSCRIPT] (0, 0, 0) [CONNECTION] ALL_MIN;
    Role "role" 1 [NOSCRIPT LOADING STALE FAST] (0, 0, 0) [ADMIN DANGEROUS] NONE;
    Memory "memory" -2 [CONTAINER] (0, 0, 0) [] NONE;
    MemoryUsage "memory|usage" -3 [READONLY] (2, 2, 1) [] NONE;
    MemoryHelp "memory|help" 2 [LOADING STALE] (0, 0, 0) [] NONE;
    Object "object" -2 [CONTAINER] (0, 0, 0) [] NONE;
    ObjectEncoding "object|encoding" 3 [READONLY] (2, 2, 1) [KEYSPACE] VARIES;
    ObjectFreq "object|freq" 3 [READONLY] (2, 2, 1) [KEYSPACE] VARIES;
    ObjectIdletime "object|idletime" 3 [READONLY] (2, 2, 1) [KEYSPACE] VARIES;
    ObjectRefcount "object|refcount" 3 [READONLY] (2, 2, 1) [KEYSPACE] VARIES;
    ObjectHelp "object|help" 2 [LOADING STALE] (0, 0, 0) [KEYSPACE] NONE;
    Function "function" -2 [CONTAINER] (0, 0, 0) [] NONE;
    FunctionFlush "function|flush" -2 [WRITE NOSCRIPT] (0, 0, 0) [SCRIPTING] ALL_SUCCEED;
    FunctionHelp "function|help" 2 [LOADING STALE] (0, 0, 0) [SCRIPTING] NONE;
    Script "script" -2 [CONTAINER] (0, 0, 0) [] NONE;
    ScriptFlush "script|flush" -2 [NOSCRIPT] (0, 0, 0) [SCRIPTING] NODES_SUCCEED;
    ScriptHelp "script|help" 2 [LOADING STALE] (0, 0, 0) [SCRIPTING] NONE;
    Debug "debug" -2 [ADMIN NOSCRIPT LOADING STALE] (0, 0, 0) [] NONE;
    // The cluster.
    Cluster "cluster" -2 [CONTAINER] (0, 0, 0) [] NONE;
    ClusterSlots "cluster|slots" 2 [STALE] (0, 0, 0) [] VARIES;
    ClusterShards "cluster|shards" 2 [STALE] (0, 0, 0) [] VARIES;
    ClusterNodes "cluster|nodes" 2 [STALE] (0, 0, 0) [] VARIES;
    ClusterInfo "cluster|info" 2 [STALE] (0, 0, 0) [] VARIES;
    ClusterMyid "cluster|myid" 2 [STALE] (0, 0, 0) [] NONE;
    ClusterMyshardid "cluster|myshardid" 2 [STALE] (0, 0, 0) [] NONE;
    ClusterKeyslot "cluster|keyslot" 3 [STALE] (0, 0, 0) [] NONE;
    ClusterCountkeysinslot "cluster|countkeysinslot" 3 [STALE] (0, 0, 0) [] NONE;
    ClusterGetkeysinslot "cluster|getkeysinslot" 4 [STALE] (0, 0, 0) [] VARIES;
    ClusterLinks "cluster|links" 2 [STALE] (0, 0, 0) [] VARIES;
    ClusterReplicas "cluster|replicas" 3 [ADMIN STALE] (0, 0, 0) [] VARIES;
    ClusterFailover "cluster|failover" -2 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterMigrateslots "cluster|migrateslots" -4 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterGetslotmigrations "cluster|getslotmigrations" 2 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterCancelslotmigrations "cluster|cancelslotmigrations" 2 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterMigration "cluster|migration" -4 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterSetslot "cluster|setslot" -4 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterAddslots "cluster|addslots" -3 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterMeet "cluster|meet" -4 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterForget "cluster|forget" 3 [ADMIN STALE NO_ASYNC_LOADING] (0, 0, 0) [] NONE;
    ClusterHelp "cluster|help" 2 [LOADING STALE] (0, 0, 0) [] NONE;
    // Strings.
    Set "set" -3 [WRITE DENYOOM] (1, 1, 1) [STRING] NONE;
    Delex "delex" -2 [WRITE FAST] (1, 1, 1) [STRING] NONE;
    Delifeq "delifeq" 3 [WRITE] (1, 1, 1) [STRING] NONE;
    Get "get" 2 [READONLY FAST] (1, 1, 1) [STRING] NONE;
    Getdel "getdel" 2 [WRITE FAST] (1, 1, 1) [STRING] NONE;
    Getex "getex" -2 [WRITE FAST] (1, 1, 1) [STRING] NONE;
    Getset "getset" 3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Getrange "getrange" 4 [READONLY] (1, 1, 1) [STRING] NONE;
    Setrange "setrange" 4 [WRITE DENYOOM] (1, 1, 1) [STRING] NONE;
    Substr "substr" 4 [READONLY] (1, 1, 1) [STRING] NONE;
    Append "append" 3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Strlen "strlen" 2 [READONLY FAST] (1, 1, 1) [STRING] NONE;
    Incr "incr" 2 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Decr "decr" 2 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Incrby "incrby" 3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Decrby "decrby" 3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Incrbyfloat "incrbyfloat" 3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Mget "mget" -2 [READONLY FAST] (1, -1, 1) [STRING] SPLIT;
    Mset "mset" -3 [WRITE DENYOOM] (1, -1, 2) [STRING] SPLIT_SUCCEED;
    Msetnx "msetnx" -3 [WRITE DENYOOM] (1, -1, 2) [STRING] SPLIT_MIN;
    Setnx "setnx" 3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Setex "setex" 4 [WRITE DENYOOM] (1, 1, 1) [STRING] NONE;
    Psetex "psetex" 4 [WRITE DENYOOM] (1, 1, 1) [STRING] NONE;
    Lcs "lcs" -3 [READONLY] (1, 2, 1) [STRING] NONE;
    // Keys.
    Del "del" -2 [WRITE] (1, -1, 1) [KEYSPACE] SPLIT_SUM;
    Unlink "unlink" -2 [WRITE FAST] (1, -1, 1) [KEYSPACE] SPLIT_SUM;
    Exists "exists" -2 [READONLY FAST] (1, -1, 1) [KEYSPACE] SPLIT_SUM;
    Type "type" 2 [READONLY FAST] (1, 1, 1) [KEYSPACE] NONE;
    Touch "touch" -2 [READONLY FAST] (1, -1, 1) [KEYSPACE] SPLIT_SUM;
    Expire "expire" -3 [WRITE FAST] (1, 1, 1) [KEYSPACE] NONE;
    Pexpire "pexpire" -3 [WRITE FAST] (1, 1, 1) [KEYSPACE] NONE;
    Expireat "expireat" -3 [WRITE FAST] (1, 1, 1) [KEYSPACE] NONE;
    Pexpireat "pexpireat" -3 [WRITE FAST] (1, 1, 1) [KEYSPACE] NONE;
    Ttl "ttl" 2 [READONLY FAST] (1, 1, 1) [KEYSPACE] VARIES;
    Pttl "pttl" 2 [READONLY FAST] (1, 1, 1) [KEYSPACE] VARIES;
    Expiretime "expiretime" 2 [READONLY FAST] (1, 1, 1) [KEYSPACE] NONE;
    Pexpiretime "pexpiretime" 2 [READONLY FAST] (1, 1, 1) [KEYSPACE] NONE;
    Persist "persist" 2 [WRITE FAST] (1, 1, 1) [KEYSPACE] NONE;
    Rename "rename" 3 [WRITE] (1, 2, 1) [KEYSPACE] NONE;
    Renamenx "renamenx" 3 [WRITE FAST] (1, 2, 1) [KEYSPACE] NONE;
    Copy "copy" -3 [WRITE DENYOOM] (1, 2, 1) [KEYSPACE] NONE;
    Randomkey "randomkey" 1 [READONLY] (0, 0, 0) [KEYSPACE] ALL_VARIES;
    Keys "keys" 2 [READONLY] (0, 0, 0) [KEYSPACE DANGEROUS] ALL_UNORDERED;
    Scan "scan" -2 [READONLY] (0, 0, 0) [KEYSPACE] SPECIAL;
    // Transactions.
    Multi "multi" 1 [NOSCRIPT LOADING STALE FAST ALLOW_BUSY] (0, 0, 0) [TRANSACTION] NONE;
    Exec "exec" 1 [NOSCRIPT LOADING STALE SKIP_SLOWLOG] (0, 0, 0) [TRANSACTION] NONE;
    Discard "discard" 1 [NOSCRIPT LOADING STALE FAST ALLOW_BUSY] (0, 0, 0) [TRANSACTION] NONE;
    Watch "watch" -2 [NOSCRIPT LOADING STALE FAST ALLOW_BUSY] (1, -1, 1) [TRANSACTION] NONE;
    Unwatch "unwatch" 1 [NOSCRIPT LOADING STALE FAST ALLOW_BUSY] (0, 0, 0) [TRANSACTION] NONE;
    Eval "eval" -3 [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS MOVABLEKEYS] (0, 0, 0) [SCRIPTING] NONE;
    Evalsha "evalsha" -3 [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS MOVABLEKEYS] (0, 0, 0) [SCRIPTING] NONE;
    // Our own.
    // Its other keys lie in the slot of the first, so nobody needs them to find the node: with MOVABLEKEYS clients
    // would ask for them, before each command, by a node that may be gone.
    Once "once" -5 [WRITE DENYOOM NOSCRIPT] (1, 1, 1) [STRING] NONE;
    KvGet "kv.get" 2 [READONLY FAST] (1, 1, 1) [STRING] NONE;
    KvPut "kv.put" -4 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    KvSet "kv.set" -3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    KvAppend "kv.append" -3 [WRITE DENYOOM FAST] (1, 1, 1) [STRING] NONE;
    Controller "quorate.controller" 2 [ADMIN NOSCRIPT] (0, 0, 0) [] NONE;
    KvWait "kv.wait" 4 [READONLY NOSCRIPT BLOCKING] (1, 1, 1) [STRING] NONE;
}
