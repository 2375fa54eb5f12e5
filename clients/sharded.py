"""Outside programs against a sharded cluster while its slots move and its nodes die."""

import collections
import json
import os
import subprocess
import threading

import redis
from redis.cluster import ClusterNode, RedisCluster

from lost_reply import uuid7
from nodes import Nodes, wait_for
from workload import Writer

# So many keys of each writer, to have some in slots that move and some in others.
KEYS = 12

# One round of changes. Behind it all is as before.
ROUND = (
    ("move", "0-5000", "--to", "2"),
    ("rebalance",),
    ("join", "3={nodes}"),
    ("move", "4000-9000", "--to", "3"),
    ("leave", "3"),
)


class Moves:
    """`quorate admin` in a loop: groups come and go, and slots with them."""

    def __init__(self, nodes):
        self.nodes, self.stopping = nodes, False
        self.done, self.other = collections.Counter(), collections.Counter()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def admin(self, *words):
        words = [word.format(nodes=self.nodes.addresses()) for word in words]
        command = [self.nodes.program, "admin", "--addr", self.nodes.addresses(), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def run(self):
        while not self.stopping:
            for words in ROUND:
                told = self.admin(*words)
                if told.returncode == 0:
                    self.done[words[0]] += 1
                else:
                    self.other[f"{words[0]}: {told.stderr.strip()}"[:100]] += 1

    def end(self):
        self.stopping = True
        self.thread.join(120)
        if self.thread.is_alive():
            raise SystemExit("quorate admin does not end")


class Foreign(Writer):
    """The writer of writer.js, in a process of its own."""

    def start(self):
        ports = [f"127.0.0.1:{port}" for port in self.connect]
        modules = {"NODE_PATH": os.path.abspath("target/clients/node/node_modules")}
        self.process = subprocess.Popen(
            ["node", "clients/writer.js", self.name, str(len(self.keys)), *ports],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **modules},
        )
        self.thread.start()

    def run(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                told = json.loads(line)
                self.tokens, self.errors = told["tokens"], collections.Counter(told["errors"])
            else:
                self.acknowledged = int(line)

    def end(self):
        self.process.stdin.close()
        super().end()
        self.process.wait(60)


class Typed(Writer):
    """A process of `redis-cli -c` for each command. It follows redirections and sends nothing again, so neither may a
    token be there twice; and a node that is not there is told to who has typed it, who takes another."""

    def write(self, ports, token):
        port = ports[0]
        command = ["redis-cli", "-c", "-p", str(port), "APPEND", self.key(), token + ";"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        told = (done.stdout + done.stderr).strip()
        if acknowledged := told.isdigit():
            self.acknowledged += 1
        else:
            self.errors[told[:60]] += 1
            ports.append(ports.pop(0))
        self.tokens.append((token, acknowledged, False))


def writers(nodes, phase):
    """One of each kind. All know all nodes, and nothing is set that these clients do not set by themselves."""
    ports = [port + 1000 for port in nodes.ports]
    made = []
    for protocol, once in ((2, False), (3, False), (3, True)):

        def connect(protocol=protocol):
            known = [ClusterNode("127.0.0.1", port) for port in ports]
            return RedisCluster(startup_nodes=known, protocol=protocol)

        how = "once" if once else "bare"
        made.append(Writer(f"{phase}:redis-py:resp{protocol}:{how}", connect, once and uuid7(), KEYS))
    made.append(Foreign(f"{phase}:ioredis:bare", ports, None, KEYS))
    made.append(Typed(f"{phase}:redis-cli -c:bare", lambda: list(ports), None, KEYS))
    return made


def leaders(nodes):
    """How many groups each node leads, as one that runs tells it; the nodes that lead most come first."""

    def ask():
        for node, process in enumerate(nodes.running):
            if process:
                client = redis.Redis(port=nodes.ports[node] + 1000, socket_timeout=10)
                masters = [master[1] - 1000 for _, _, master, *_ in client.execute_command("CLUSTER SLOTS")]
                return collections.Counter(nodes.ports.index(port) for port in masters)
        return None

    return wait_for("masters", ask)


def begin(nodes, run):
    """Groups 1 and 2 join."""
    for group in (1, 2):
        told = run(nodes.program, "admin", "--addr", nodes.addresses(), "join", f"{group}={nodes.addresses()}")
        assert "every slot is where it belongs" in told, told


def leader(nodes, group):
    """The node that leads a group, as it says itself."""

    def leads(node):
        told = nodes.running[node] and nodes.client(node).info("raft")[f"raft_group_{group}"]
        return told and told["role"] == "leader" and told["leader"] == node

    return wait_for(f"a leader of group {group}", lambda: [node for node in range(3) if leads(node)])[0]


def spread(nodes):
    """With less than two masters that have slots redis-benchmark takes it for no cluster: then one dies."""
    while (victim := leader(nodes, 1)) == leader(nodes, 2):
        nodes.kill(victim)
        wait_for("another leader", lambda: leader(nodes, 1) != victim)
        nodes.start(victim)


def benchmark(nodes, run, check, moving):
    """redis-benchmark counts a redirection as an answer, and sends nothing again. So while slots move fewer may be
    executed than it has counted, and never more."""
    for pipeline in ("1", "16"):
        count = 20_000
        options = ["-p", str(nodes.ports[0] + 1000), "-t", "set,get,incr", "-n", str(count), "-c", "30"]
        # It knows the masters that there were when it began, and ends when another node has become one.
        for _ in range(5):
            seen = run("redis-benchmark", "--cluster", *options, "-P", pipeline, "--csv")
            if not (gave_up := "Invalid cluster" in seen or "could not find node" in seen):
                break
            if not moving:
                spread(nodes)
            for key in nodes.client(0).scan_iter("counter:*", count=1000):
                nodes.client(0).delete(key)
        if gave_up and moving:
            print(f"  --- --cluster -P {pipeline} is left out: it gives up when a node becomes a master, or ceases to be one")
            continue
        rows = [line.replace('"', "").split(",") for line in seen.splitlines()]
        rates = {row[0]: row[1] for row in rows if row[0] in ("SET", "GET", "INCR")}
        total = 0
        for key in (client := nodes.client(0)).scan_iter("counter:*", count=1000):
            total += int(client.getdel(key) or 0)
        check(f"--cluster -P {pipeline}, a second: {rates}", len(rates) == 3, seen)
        what = f"--cluster -P {pipeline}: {count} INCR sent, {total} counted"
        check(what, total <= count if moving else total == count, seen)


def kill_all(nodes, made):
    """Each node dies once, and comes back."""
    steady = [writer for writer in made if not isinstance(writer, Typed)]
    for _ in nodes.ports:
        victim = leaders(nodes).most_common(1)[0][0]
        nodes.kill(victim)
        for more in steady:
            more.wait_for(20)
        nodes.start(victim)
        for more in steady:
            more.wait_for(20)


def row(phase, writer, repeated, wrong):
    name, lost = writer.name.split(":", 1)[1].replace(":", " "), sum("lost" in text for text in wrong)
    sent, errors = len(writer.tokens), dict(writer.errors) or ""
    print(f"  {phase:<12}{name:<26}{sent:>7}{writer.acknowledged:>14}{repeated:>10}{lost:>6}  {errors}")


def phase(nodes, name, judge, check, problems, meanwhile):
    moves = Moves(nodes)
    made = writers(nodes, name)
    for writer in made:
        writer.start()
    for writer in made:
        writer.wait_for(KEYS)
    meanwhile(made)
    wait_for("a round of changes", lambda: len(moves.done) == len({words[0] for words in ROUND}))
    for writer in made:
        writer.end()
    moves.end()
    told = [(writer, *judge(nodes, writer)) for writer in made]
    print(f"  {'meanwhile':<12}{'client':<26}{'sent':>7}{'acknowledged':>14}{'repeated':>10}{'lost':>6}  errors shown")
    for writer, repeated, wrong in told:
        row(name, writer, repeated, wrong)
        problems.extend(wrong)
    changes = ", ".join(f"{count} {what}" for what, count in sorted(moves.done.items()))
    print(f"  changes that were made: {changes}" + (f"; not made: {dict(moves.other)}" if moves.other else ""))
    # Who types by hand sees that a node is dead; UNCERTAIN is never hidden.
    counted = [writer for writer in made if name == "moves" or not isinstance(writer, Typed)]
    shown = {writer.name: dict(writer.errors) for writer in counted if writer.errors}
    shown = {name: errors for name, errors in shown.items() if any("UNCERTAIN" not in text for text in errors)}
    check("no error that the clients' own retries do not hide", not shown, shown)
    check("nothing is executed twice through ONCE", not any(it[1] for it in told if it[0].once))


def sharded(program, run, judge, check, problems):
    print("\n== A sharded cluster: redis-py", redis.__version__, "RedisCluster, ioredis, redis-cli -c, redis-benchmark --cluster")
    nodes = Nodes(program, groups=3)
    try:
        begin(nodes, run)
        spread(nodes)
        benchmark(nodes, run, check, moving=False)
        phase(nodes, "moves", judge, check, problems, lambda _: benchmark(nodes, run, check, moving=True))
        phase(nodes, "kill -9", judge, check, problems, lambda made: kill_all(nodes, made))
        at = f"127.0.0.1:{nodes.ports[0] + 1000}"
        seen = run("redis-cli", "--cluster", "check", at)
        check("--cluster check", "[OK] All 16384 slots covered." in seen and "[ERR]" not in seen, seen)
        nodes.end()
        nodes.remove()
    except BaseException:
        nodes.logs()
        raise
    finally:
        nodes.end()
