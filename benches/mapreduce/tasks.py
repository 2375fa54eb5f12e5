#!/usr/bin/env python3
"""What a coordinator's process takes for each task as tasks grow: its own processor time and memory, not the workers'.

    benches/mapreduce/tasks.py [MOST]

10, 100 … MOST map tasks (100,000 unless told otherwise) of one line each, one reduce, two workers on this machine.
Takes $QUORATE, or target/release/quorate.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUORATE = pathlib.Path(os.environ.get("QUORATE", ROOT / "target/release/quorate")).resolve()
LINE = 16


def job(folder: pathlib.Path, tasks: int) -> tuple[float, float, float, float]:
    """Runs one; seconds in all, the coordinator's user and system seconds, and its most memory in MiB."""
    text, out, log = folder / "text", folder / "out", folder / "log"
    text.write_text("".join(f"word {number:010}\n" for number in range(tasks)))
    asked = ["--app", "wc", "--split-bytes", str(LINE), "--reduces", "1", "--out", str(out), str(text)]
    begun = time.monotonic()
    with log.open("wb") as said:
        coordinator = subprocess.Popen(
            [QUORATE, "mr", "coordinator", "--listen", "127.0.0.1:0", *asked], stdout=said, stderr=said
        )
    workers = []
    try:
        while not (found := re.search(rb"(\d+) map and .*--connect (\S+)`", log.read_bytes())):
            if coordinator.poll() is not None:
                sys.exit(f"the coordinator is gone: {log.read_text()}")
            time.sleep(0.01)
        if int(found[1]) != tasks:
            sys.exit(f"the job has {int(found[1])} maps, not {tasks}")
        works = [QUORATE, "mr", "worker", "--connect", found[2].decode()]
        workers = [subprocess.Popen(works, stderr=subprocess.DEVNULL) for _ in range(2)]
        _, status, used = os.wait4(coordinator.pid, 0)
        coordinator.returncode = os.waitstatus_to_exitcode(status)
    finally:
        for process in [coordinator, *workers]:
            if process.returncode is None:
                process.terminate()
                process.wait()
    seconds = time.monotonic() - begun
    if coordinator.returncode != 0:
        sys.exit(f"the job has failed: {log.read_text()}")
    if (counted := (out / "mr-out-0").read_text()) != f"word\t{tasks}\n":
        sys.exit(f"the output is {counted[:80]!r}")
    return seconds, used.ru_utime, used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if not QUORATE.exists():
        sys.exit("tasks.py: nothing is built; run: cargo build --release -p quorate")
    print(f"{'tasks':>9} {'seconds':>9} {'user, s':>9} {'system, s':>10} {'µs a task':>11} {'MiB':>6}")
    tasks = 10
    while tasks <= most:
        with tempfile.TemporaryDirectory(prefix="tasks-") as folder:
            seconds, user, system, memory = job(pathlib.Path(folder), tasks)
        each = (user + system) * 1e6 / tasks
        print(f"{tasks:>9,} {seconds:>9.2f} {user:>9.2f} {system:>10.2f} {each:>11.1f} {memory:>6.0f}", flush=True)
        tasks *= 10


if __name__ == "__main__":
    main()
