#!/usr/bin/env python3
"""What groups cost, and what moving slots costs, on this machine; next to Redis Cluster, if redis-server is there.

    cargo build --release -p quorate
    python3 benches/sharded/measure.py target/release/quorate [groups|move|change|many] …

Prints Markdown. Only loopback, only processes of its own. About ten minutes in all.
"""

import os
import shutil
import sys
import tempfile
import time

from cluster import Quorate, Redis
from probe import Probe, keys_in, load, longest_ms, lowest_rate, rate

HALF = 8192
KEYS = 1_000_000
VALUE = b"v" * 64
# Connections that write everywhere while slots move.
CROWD = 32


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def heads(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def groups(program):
    """(a) What all groups together take, and the processor time of a request."""
    heads("nodes", "groups", "workload", "requests/s", "p50 ms", "p99 ms", "µs of processor a request")
    workloads = {
        "set": ["--workload", "set"],
        "get": ["--workload", "get"],
        "set, -P 16": ["--workload", "set", "--pipeline", "16"],
    }
    for nodes in (1, 3):
        for count in (0, 1, 2, 4):
            with Quorate(program, nodes, count) as cluster:
                for name, words in workloads.items():
                    said, cpu = cluster.bench(*words, "--seconds", "8")
                    asked = said["requests"]
                    late = [f"{said['latency_us'][name] / 1000:.2f}" for name in ("p50", "p99")]
                    cells = [f"{said['requests_per_second']:,.0f}", *late]
                    kind = count or "not sharded"
                    row(nodes, kind, name, *cells, f"{cpu / asked:.1f}")


def disk_alone(seconds):
    """How long a sync of 4 KiB behind a file's end takes here when nobody else writes, in ms: half of them, the longest."""
    taken, end = [], time.monotonic() + seconds
    with tempfile.TemporaryFile() as file:
        while time.monotonic() < end:
            begin = time.monotonic()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            taken.append((time.monotonic() - begin) * 1000)
    taken.sort()
    return taken[len(taken) // 2], taken[-1]


def measured(ports, moving, steady, begin_move):
    """Moves while clients write on both kinds of slots and on all; what that did to them."""
    probes = [Probe(ports[0], moving, 0.001), Probe(ports[0], steady, 0.001)]
    everywhere = Probe(ports[-1], moving[::97] + steady, crowd=CROWD)
    time.sleep(5)
    begin = time.monotonic()
    begin_move()
    end = time.monotonic()
    time.sleep(1)
    (of_moving, told), (of_steady, told_too), (of_all, told_all) = (
        probe.end() for probe in (*probes, everywhere)
    )
    errors = {}
    for words in (told, told_too, told_all):
        for word, count in words.items():
            errors[word] = errors.get(word, 0) + count
    before = rate(of_all, begin - 4, begin)
    return [
        f"{end - begin:.1f}",
        f"{before:,.0f}",
        f"{rate(of_all, begin, end):,.0f}",
        f"{lowest_rate(of_all, begin, end):,.0f}",
        f"{longest_ms(of_steady, begin - 4, begin):.1f}",
        f"{longest_ms(of_steady, begin, end):.1f}",
        f"{longest_ms(of_moving, begin - 4, begin):.1f}",
        f"{longest_ms(of_moving, begin, end):.1f}",
        ", ".join(f"{count} {word[1:]}" for word, count in sorted(errors.items())) or "none",
    ]


def move(program):
    """(b) A million keys move to another group while clients write."""
    moving, steady = keys_in(0, HALF - 1, KEYS), keys_in(HALF, 16383, 10_000, b"off")
    half, longest = disk_alone(10)
    print(f"The disk alone, for 10 s: half of its syncs take {half:.2f} ms, the longest {longest:.1f} ms.\n")
    heads(
        "who",
        "s",
        "writes/s before",
        "while it moves",
        "lowest, 0.5 s",
        "longest write, slot that stays, before, ms",
        "while others move",
        "slot that moves, before, ms",
        "while it moves",
        "errors that the client hid",
    )
    for nodes in (1, 3):
        with Quorate(program, nodes, 2) as cluster:
            cluster.done("move", "0-16383", "--to", "1")
            load(cluster.ports[0], moving, VALUE)
            load(cluster.ports[0], steady, VALUE)
            begin_move = lambda cluster=cluster: cluster.done("move", f"0-{HALF - 1}", "--to", "2")
            row(f"quorate, {nodes} node(s)", *measured(cluster.ports, moving, steady, begin_move))
    if not shutil.which("redis-server"):
        print("no redis-server here: its rows are left out")
        return
    for pipeline in (10, 100):
        with Redis() as cluster:
            load(cluster.ports[0], moving, VALUE)
            load(cluster.ports[0], steady, VALUE)
            begin_move = lambda cluster=cluster, at=pipeline: cluster.reshard(HALF, at)
            ports = [cluster.ports[0]] * 2
            row(f"Redis, --cluster-pipeline {pipeline}", *measured(ports, moving, steady, begin_move))


def change(program):
    """(c) What a change of the configuration costs, with keys and slots."""
    heads("keys in the cluster", "slots that move", "keys in them", "ms, from the command to its end")
    with Quorate(program, 3, 2) as cluster:
        cluster.done("move", "0-16383", "--to", "1")
        there = 0
        for keys in (0, 10_000, 100_000, KEYS):
            # All behind the slots that move, so that these stay empty.
            all_keys = keys_in(HALF, 16383, keys)
            load(cluster.ports[0], all_keys[there:], VALUE)
            there = keys
            for slots in (1, 64, 1024, HALF):
                begin = time.monotonic()
                cluster.done("move", f"0-{slots - 1}", "--to", "2")
                row(f"{keys:,}", slots, 0, f"{(time.monotonic() - begin) * 1000:.0f}")
                cluster.done("move", f"0-{slots - 1}", "--to", "1")
        for slots in (1, 64, 1024):
            count = round(KEYS * slots / HALF)
            begin = time.monotonic()
            cluster.done("move", f"{HALF}-{HALF + slots - 1}", "--to", "2")
            row(f"{KEYS:,}", slots, f"about {count:,}", f"{(time.monotonic() - begin) * 1000:.0f}")


def many(program):
    """(d) Many groups in one process that nobody asks anything."""
    heads("groups in one process", "% of a core, idle for 30 s", "MiB in use")
    for count in (1, 4, 16, 64):
        with Quorate(program, 1, count) as cluster:
            time.sleep(3)
            before = cluster.cpu_s()
            time.sleep(30)
            row(count, f"{(cluster.cpu_s() - before) / 30 * 100:.1f}", f"{cluster.memory_mib():.0f}")


def main():
    parts = {part.__name__: part for part in (groups, move, change, many)}
    if len(sys.argv) < 2 or any(name not in parts for name in sys.argv[2:]):
        raise SystemExit(__doc__)
    for name in sys.argv[2:] or parts:
        print(f"\n{parts[name].__doc__}\n")
        parts[name](sys.argv[1])


if __name__ == "__main__":
    main()
