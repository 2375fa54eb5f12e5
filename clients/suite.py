"""Outside programs against three nodes. Prints what was tried and a table; ends with 1 if anything is wrong."""

import glob
import os
import subprocess
import sys
import time
from threading import Thread

import redis

from nodes import Nodes, wait_for
from sharded import sharded
from workload import writers

problems = []


def check(what, holds, seen=""):
    print(f"  {'ok ' if holds else 'BAD'} {what}" + (f": {seen}" if seen and not holds else ""))
    if not holds:
        problems.append(f"{what}: {seen}")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return (done.stdout + done.stderr).strip()


def redis_cli(nodes):
    print("\n== redis-cli", run("redis-cli", "--version"))
    leader = nodes.leader()
    for node, port in enumerate(nodes.ports):
        plain = ["redis-cli", "-p", str(port)]
        check(f"SET on node {node}", (seen := run(*plain, "SET", f"k{node}", "v")) == "OK", seen)
        check(f"GET on node {node}", (seen := run(*plain, "GET", f"k{node}")) == "v", seen)
        seen = run(*plain, "-3", "HELLO", "3")
        check(f"-3 on node {node}", "server" in seen and "proto" in seen, seen)
        follows = ["redis-cli", "-c", "-p", str(port + 1000)]
        check(f"-c on node {node}", (seen := run(*follows, "INCR", "n")) == str(node + 1), seen)
    follower = nodes.ports[(leader + 1) % 3] + 1000
    seen = run("redis-cli", "-p", str(follower), "SET", "k0", "v")
    check("without -c a follower names the leader", seen.startswith("MOVED "), seen)
    seen = run("redis-cli", "-p", str(nodes.ports[0]), "EVAL", "return 1", "0")
    check("EVAL is refused with advice", "scripts are not supported: use MULTI" in seen, seen)
    at = f"127.0.0.1:{nodes.ports[leader] + 1000}"
    seen = run("redis-cli", "--cluster", "check", at)
    check("--cluster check", "[OK] All 16384 slots covered." in seen and "[ERR]" not in seen, seen)
    seen = run("redis-cli", "--cluster", "info", at)
    check("--cluster info", "in 1 masters" in seen, seen)
    seen = run("redis-cli", "--cluster", "call", at, "DBSIZE")
    check("--cluster call", seen.count(": 4") == 3, seen)


def redis_benchmark(nodes):
    print("\n==", run("redis-benchmark", "--version"))
    port, count = str(nodes.ports[(nodes.leader() + 1) % 3]), 10_000
    client = nodes.client(0)
    for pipeline in ("1", "16"):
        client.delete("counter:__rand_int__")
        options = ["-p", port, "-t", "set,get,incr", "-n", str(count), "-c", "50", "-P", pipeline, "--csv"]
        seen = run("redis-benchmark", *options)
        rows = [line.replace('"', "").split(",") for line in seen.splitlines()]
        rates = {row[0]: row[1] for row in rows if row[0] in ("SET", "GET", "INCR")}
        check(f"-P {pipeline} from a follower, a second: {rates}", len(rates) == 3, seen)
        total = int(client.get("counter:__rand_int__") or 0)
        check(f"-P {pipeline}: {count} INCR counted as {total}", total == count, total)
    seen = run("redis-benchmark", "--cluster", "-p", str(nodes.ports[0] + 1000), "-t", "set", "-n", "1000", "-q")
    says = [line for line in seen.splitlines() if line.strip()]
    print(f"      --cluster says: {says[-1] if says else 'nothing'}")


def under_faults(nodes):
    print("\n== redis-py", redis.__version__, "while the leader is killed and stopped")
    rows = []
    for fault in ("kill -9", "SIGSTOP 6 s"):
        victim = nodes.leader()
        made = writers(nodes, victim, fault.split()[0])
        for writer in made:
            writer.start()
        for writer in made:
            writer.wait_for(20)
        if fault == "kill -9":
            nodes.kill(victim)
            nodes.leader()
        else:
            nodes.signal(victim, "SIGSTOP")
            # Longer than redis-py waits for a reply, so that its cluster client gives up and sends again.
            time.sleep(6)
        # Not those whose cluster client still holds on to the victim: they are waited for behind it.
        for writer in made:
            if ":plain:" in writer.name:
                writer.wait_for(20)
        if fault == "kill -9":
            nodes.start(victim)
        else:
            nodes.signal(victim, "SIGCONT")
        for writer in made:
            writer.wait_for(20)
        for writer in made:
            writer.end()
        for writer in made:
            rows.append((fault, writer, *judge(nodes, writer)))
    print(f"\n  {'fault':<12}{'client':<34}{'sent':>7}{'acknowledged':>14}{'repeated':>10}{'lost':>6}  errors shown")
    for fault, writer, repeated, wrong in rows:
        name = writer.name.split(":", 1)[1].replace(":", " ")
        lost = sum("lost" in text for text in wrong)
        print(
            f"  {fault:<12}{name:<34}{len(writer.tokens):>7}{writer.acknowledged:>14}{repeated:>10}{lost:>6}"
            f"  {dict(writer.errors) or ''}"
        )
        problems.extend(wrong)
    once = sum(repeated for _, writer, repeated, _ in rows if writer.once)
    bare = sum(repeated for _, writer, repeated, _ in rows if not writer.once)
    print(f"\n  executed again: {bare} sent bare, {once} sent through ONCE")
    check("nothing is executed twice through ONCE", once == 0, once)


def judge(nodes, writer):
    """What became of a writer's tokens, as every node tells it."""
    values = []
    for key in writer.keys:
        told = [wait_for("a GET", lambda: [nodes.client(node).get(key)])[0] for node in range(3)]
        if len(set(told)) != 1:
            problems.append(f"nodes differ in {key}")
        values.append(told[0] or b"")
    return writer.count(values)


def lost_reply(nodes):
    """The script that README shows: a stock client whose reply is lost writes twice, and through ONCE it does not."""
    print("\n== A reply that is lost")
    for more, expected in ([], "one book;one book;"), (["--once"], "one book;"):
        seen = run(sys.executable, "clients/lost_reply.py", str(nodes.ports[0]), *more)
        print("\n".join("      " + line for line in seen.splitlines()))
        check(f"it is there {'once' if more else 'twice'}", seen.endswith(repr(expected)))


def wall_clock(program, checks):
    print("\n== The wall clock is set forth and back by an hour")
    libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not libraries:
        print("  skipped: there is no libfaketime here (Debian: libfaketime)")
        return
    path = f"{os.path.abspath('target/clients')}/clock"
    set_to("+0", path)
    environment = {
        "LD_PRELOAD": libraries[0],
        "FAKETIME_TIMESTAMP_FILE": path,
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    node = Nodes(program, 1, environment)
    try:
        client = node.client(0)
        wait_for("a leader", lambda: client.set("k", "v", ex=1000))
        client.set("soon", "v", px=3000)
        forever = ("KV.WAIT", "k", 1 << 60, 2000)
        for offset in ("+3600", "-3600", "+0"):
            waiting = Thread(target=node.client(0).execute_command, args=forever)
            waiting.start()
            set_to(offset, path)
            wait_for(f"the clock at {offset}", lambda: is_off_by(client, float(offset)))
            left = client.ttl("k")
            check(f"at {offset} s a key with 1000 s has {left} s left", 900 <= left <= 1000, left)
            client.set("written", offset)
            waiting.join(60)
            check(f"a KV.WAIT of 2 s across the jump to {offset} s ends", not waiting.is_alive())
            check(f"at {offset} s writes and reads go on", client.get("written") == offset.encode())
            if offset == "+3600":
                wait_for("the key with 3 s to expire", lambda: client.exists("soon") == 0)
                check("a key with 3 s expires", True)
        replayed(node, checks)
    finally:
        node.end()


def replayed(nodes, checks):
    """By the functions that the models check. The folder stays if they refuse."""
    if not checks:
        print("  not replayed: no `checks` is built (cargo build --release -p checks)")
        nodes.end()
        nodes.remove()
        return
    says, right = nodes.replay(checks)
    check("what the servers recorded is replayed", right, f"{says}\nthe traces are in {nodes.folder}")
    if right:
        print("\n".join("      " + line for line in says.splitlines()))
        nodes.remove()


def set_to(offset, path):
    with open(path + ".new", "w") as file:
        file.write(offset + "\n")
    os.rename(path + ".new", path)


def is_off_by(client, seconds):
    """Whether the server's wall clock is: TIME tells it."""
    return abs(client.time()[0] - time.time() - seconds) < 100


def main():
    program = os.path.abspath(sys.argv[1])
    checks = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
    begun = time.monotonic()
    print("program:", sys.argv[1], run(program, "--version"))
    nodes = Nodes(program)
    try:
        redis_cli(nodes)
        redis_benchmark(nodes)
        lost_reply(nodes)
        under_faults(nodes)
        print("\n== Replay")
        replayed(nodes, checks)
    except BaseException:
        nodes.logs()
        raise
    finally:
        nodes.end()
    sharded(program, run, judge, check, problems)
    wall_clock(program, checks)
    print(f"\n{len(problems)} problems in {time.monotonic() - begun:.0f} s")
    for problem in problems:
        print("  ", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
