#!/usr/bin/env python3
"""A MapReduce job for Apache Spark, written by `quorate mr export --engine spark`.

    python3 THIS.py                                  on this machine; needs pyspark and Java
    spark-submit --master spark://HOST:7077 THIS.py  on machines that have all files by the same paths

It needs no quorate, and leaves what `quorate mr run` would leave, byte for byte: DIR/mr-out-0 to
DIR/mr-out-(R-1). A mapper reads the lines of a split and writes lines KEY TAB VALUE; a reducer
reads the lines of a partition, sorted by the bytes of their keys, and writes the output's lines; a
combiner is a reducer that keeps the keys and runs beside the mapper. Lines of one key come in the
order of the map tasks, and in that in which each wrote them. Paths and commands are those of the
folder in which this program is started. What commands say on standard error is passed on, except

    reporter:counter:GROUP,NAME,AMOUNT     adds to a counter; the sums are printed at the end
    reporter:status:TEXT                   says what the command is doing
"""

import collections
import contextlib
import fcntl
import fnmatch
import gzip
import itertools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import types
import zlib
from operator import itemgetter

from pyspark import SparkConf, SparkContext, TaskContext

# The job, as it was asked for.
JOB = {
    "quorate": "the release that wrote this",
    "mapper": "tr -sc A-Za-z '\\n' | awk 'NF { print $1 \"\\t1\" }'",
    "combiner": None,
    "reducer": "awk -F'\\t' '{ n[$1] += $2 } END { for (k in n) print k \"\\t\" n[k] }' | sort",
    "inputs": ["*.txt"],
    "out": "counts",
    "reduces": 8,
    "split_bytes": 33554432,
    "memory_bytes": 134217728,
    "max_attempts": 4,
    "task_timeout_ms": 60000,
    "backup_after_ms": 10000,
    "workers": None,
    "json": False,
}
# The end of the job. All that follows is the same in every exported program.

PIECE = 1 << 16  # How many bytes are read, or collected, before they are written.


class JobFailed(Exception):
    """Why there is no output, in one line."""


# The input: from the words of the command line to splits, and the lines that begin in a split.


def plan():
    """The splits that the inputs stand for: a map task each."""
    splits = []
    for word in JOB["inputs"]:
        files = files_of(word.encode())
        if not files:
            raise JobFailed(f"no file matches {word!r}")
        for path in files:
            splits += [dict(split, index=len(splits) + at) for at, split in enumerate(parts(path))]
    return splits


def files_of(word):
    """The files that a word stands for: a path, else a pattern."""
    if os.path.lexists(word):
        return below(word)
    names = word.split(b"/")
    if any(b"**" in name and name != b"**" for name in names):
        raise JobFailed(f"{word.decode()!r} is no pattern: ** stands alone between slashes")
    if b"**" in names:
        return deep(word, names)
    found = sorted(matches(word, names), key=lambda path: path.split(b"/"))
    return [file for path in found for file in below(path)]


def below(path):
    """A file, or the files below a folder: none whose name begins with . or _, and no link to a folder in it."""
    if not stat.S_ISDIR(os.stat(path).st_mode):
        return [path]
    found = []
    for name in sorted(os.listdir(path)):
        inner = os.path.join(path, name)
        if name[:1] not in (b".", b"_") and not (os.path.islink(inner) and os.path.isdir(inner)):
            found += below(inner)
    return found


def fits(name, pattern):
    """Whether a name fits a pattern without slashes. One that is not UTF-8 fits none."""
    try:
        return fnmatch.fnmatchcase(name.decode(), pattern.decode())
    except UnicodeDecodeError:
        return False


def is_pattern(name):
    return any(letter in name for letter in b"*?[")


def matches(word, names):
    """What a pattern without ** stands for."""
    paths = [b"/" if word.startswith(b"/") else b""]
    for name in filter(None, names):
        found = []
        for path in paths:
            choice = [name]
            if is_pattern(name):
                folder = path or b"."
                listed = os.listdir(folder) if os.path.isdir(folder) else []
                choice = [entry for entry in listed if fits(entry, name)]
            within = path if path != b"." else b""
            found += [os.path.join(within, entry) for entry in choice]
        paths = [path for path in found if os.path.lexists(path)]
    folders_only = word.endswith(b"/")
    return [path for path in paths if os.path.isdir(path) or not folders_only]


def deep(word, names):
    """What a pattern with ** stands for, out of what is below the folder that it begins with."""
    first = list(itertools.takewhile(lambda name: not is_pattern(name), names))
    named = [name for at, name in enumerate(first) if name and (name != b"." or at == 0)]
    folder = (b"/" if word.startswith(b"/") else b"") + b"/".join(named) or b"."
    found = below(folder) if os.path.isdir(folder) else []
    if not word.startswith(b"."):
        found = [path[2:] if path.startswith(b"./") else path for path in found]
    return [path for path in found if fits_all(path.split(b"/"), names)]


def fits_all(path, names):
    if not names or names[0] != b"**":
        alike = path and names and fits(path[0], names[0]) and fits_all(path[1:], names[1:])
        return alike if path or names else True
    return any(fits_all(path[skipped:], names[1:]) for skipped in range(len(path) + 1))


def parts(path):
    """The splits of a file. What is compressed can't be entered in the middle and is one."""
    name = path.decode(errors="replace")
    path = os.path.join(os.getcwdb(), path)
    try:
        absolute = path.decode()
    except UnicodeDecodeError:
        raise JobFailed(f"input {name}: its name is not UTF-8; rename it") from None
    data = os.stat(path)
    if not stat.S_ISREG(data.st_mode):
        raise JobFailed(f"input {name}: it is no regular file")
    with open(path, "rb") as file:
        compression = compression_of(file.read(4))
    if compression == "zstd" and not shutil.which("zstd"):
        raise JobFailed(f"input {name}: needs the program zstd, which is not here; install it")
    size = data.st_size
    count = 1 if compression else -(-size // JOB["split_bytes"])
    borders = [size * at // count for at in range(count + 1)] if count else []
    same = {"name": name, "path": absolute, "file_bytes": size, "compression": compression}
    return [dict(same, start=start, end=end) for start, end in zip(borders, borders[1:])]


def compression_of(first):
    """How a file is compressed, by its first four bytes."""
    if first[:3] == b"\x1f\x8b\x08":
        return "gzip"
    frame = first == b"\x28\xb5\x2f\xfd"
    to_skip = first[1:] == b"\x2a\x4d\x18" and 0x50 <= first[0] <= 0x5F
    return "zstd" if frame or to_skip else None


@contextlib.contextmanager
def opened(split):
    """The file of a split, for reading."""
    if split["compression"] == "zstd":
        with subprocess.Popen(["zstd", "-dcq", "--", split["path"]], stdout=subprocess.PIPE) as zstd:
            yield zstd.stdout
        if zstd.returncode:
            raise JobFailed(f"input {split['name']}: its zstd data is damaged")
    else:
        with (gzip.open if split["compression"] else open)(split["path"], "rb") as file:
            yield file


def pieces(split):
    """The bytes of the lines that begin in a split."""
    if os.stat(split["path"]).st_size != split["file_bytes"]:
        raise JobFailed(f"input {split['name']}: it is not as large as when the job was planned")
    end = float("inf") if split["compression"] else split["end"]
    try:
        with opened(split) as file:
            position = 0
            if not split["compression"] and split["start"] > 0:
                # The byte before the split says whether a line begins with it.
                position = split["start"] - 1
                file.seek(position)
                ended = False
                while position < end and not ended:
                    passed = file.readline(PIECE)
                    position, ended = position + len(passed), passed.endswith(b"\n") or not passed
            within = False
            while within or position < end:
                piece = file.read(PIECE)
                if not piece:
                    return
                if position + len(piece) >= end:
                    # The line that has the split's last byte is its last one.
                    last = piece.find(b"\n", max(end - position, 1) - 1)
                    piece = piece if last < 0 else piece[: last + 1]
                position, within = position + len(piece), not piece.endswith(b"\n")
                yield piece
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise JobFailed(f"input {split['name']}: its gzip data is damaged: {error}") from None


def lines(pieces):
    """The lines of pieces of bytes, without their ends."""
    begun = []
    for piece in pieces:
        first, *more = piece.split(b"\n")
        begun.append(first)
        if more:
            yield b"".join(begun)
            yield from more[:-1]
            begun = [more[-1]]
    last = b"".join(begun)
    if last:
        yield last


# Tasks: what both kinds have, and the commands that they run.


class Partitions(dict):
    """The partition of a key: 32 bits of FNV-1a without the topmost, modulo the number of reduce tasks."""

    def __missing__(self, key):
        value = 0x811C9DC5
        for byte in key:
            value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
        partition = (value & 0x7FFFFFFF) % JOB["reduces"]
        if len(self) < 100_000:
            self[key] = partition
        return partition


class Task:
    """An attempt of a map or a reduce task, and what it counts."""

    def __init__(self, run, kind, index, split=None):
        self.run, self.kind, self.index, self.split = run, kind, index, split
        self.counts = {}
        self.partitions = Partitions()

    def count(self, name, amount):
        self.counts[name] = self.counts.get(name, 0) + amount

    def add(self, counts):
        for name, amount in counts.items():
            self.count(name, amount)

    def say(self, line):
        os.write(2, f"{self.kind} {self.index}: ".encode() + line + b"\n")

    def failed(self, why):
        return JobFailed(f"{self.kind} {self.index}: " + " ".join(why.splitlines()))

    def environment(self, split):
        """What a command finds in its environment."""
        job, index, letter = self.run["job"], self.index, self.kind[0]
        attempt = TaskContext.get().attemptNumber()
        own = {
            "mapreduce_job_id": f"job_{job}",
            "mapreduce_job_name": job,
            "mapreduce_job_maps": self.run["maps"],
            "mapreduce_job_reduces": JOB["reduces"],
            "mapreduce_task_id": f"task_{job}_{letter}_{index:06}",
            "mapreduce_task_attempt_id": f"attempt_{job}_{letter}_{index:06}_{attempt}",
            "mapreduce_task_partition": index,
            "mapreduce_task_ismap": str(self.kind == "map").lower(),
        }
        if split:
            own["mapreduce_map_input_file"] = split["name"]
            own["mapreduce_map_input_start"] = split["start"]
            own["mapreduce_map_input_length"] = split["end"] - split["start"]
        all_of_it = dict(os.environb)
        for name, value in self.run["environment"].items():
            all_of_it.pop(name, None)
            if value is not None:
                all_of_it[name] = value
        all_of_it.update((name.encode(), str(value).encode()) for name, value in own.items())
        return all_of_it


class Ears:
    """Hears what a command says on standard error: counters, its status, and the reason why it fails."""

    def __init__(self, task):
        self.task, self.counts, self.passed = task, {}, 0
        self.last = collections.deque(maxlen=10)
        self.too_many = None

    def listen(self, stderr):
        begins = True
        for text in iter(lambda: stderr.readline(4096), b""):
            # Of a line that is longer, the beginning.
            if begins:
                self.hear(text[:-1] if text.endswith(b"\n") else text)
            begins = text.endswith(b"\n")

    def hear(self, line):
        if line.startswith(b"reporter:status:"):
            self.task.say(line[len(b"reporter:status:") :])
        elif not self.counts_as(line):
            self.last.append(line[:400])
            before, self.passed = self.passed, self.passed + len(line) + 1
            if self.passed <= 256 << 10:
                self.task.say(line)
            elif before <= 256 << 10:
                self.task.say(b"(it writes too much: the rest of its standard error is dropped)")

    def counts_as(self, line):
        """Takes a line that is a counter. The name may have commas."""
        found = re.fullmatch(rb"reporter:counter:([^,]*),(.*),\s*([+-]?[0-9]+)\s*", line)
        if not found:
            return False
        try:
            group, name = found[1].decode(), found[2].decode()
        except UnicodeDecodeError:
            return False
        amount, name = int(found[3]), f"{group},{name}"
        if not -(1 << 63) <= amount < 1 << 63:
            return False
        if name not in self.counts and len(self.counts) >= 1000:
            self.too_many = "more than 1000 different counters: don't put data into their names"
        elif max(len(found[1]), len(found[2])) > 256:
            self.too_many = "a counter's name has more than 256 bytes"
        else:
            self.counts[name] = self.counts.get(name, 0) + amount
        return True


def written_by(command, task, fed, split=None):
    """Feeds a command for `sh -c` with pieces of bytes and yields the pieces that it writes. Three threads feed it,
    hear it and look whether it hangs; so nobody waits for the other."""
    child = subprocess.Popen(
        ["sh", "-c", command],
        env=task.environment(split),
        cwd=task.run["folder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    ears, over, trouble = Ears(task), threading.Event(), []
    state = types.SimpleNamespace(moved=time.monotonic(), waits_for_us=False)
    timeout = JOB["task_timeout_ms"] / 1000

    def kill():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    def feed():
        try:
            for piece in fed:
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(child.stdin.fileno(), rest) :]
                    state.moved = time.monotonic()
        except BrokenPipeError:
            pass  # It has seen enough, as `head` has.
        except BaseException as error:  # It goes on in the task's thread.
            trouble.append(error)
            kill()
        finally:
            child.stdin.close()

    def watch():
        while not over.wait(0.1):
            if not state.waits_for_us and time.monotonic() - state.moved > timeout:
                trouble.append(task.failed(f"it read and wrote nothing for {timeout:g} s"))
                return kill()

    work = [(feed,), (ears.listen, child.stderr)] + ([(watch,)] if timeout else [])
    threads = [threading.Thread(target=what, args=rest, daemon=True) for what, *rest in work]
    for thread in threads:
        thread.start()
    try:
        for piece in iter(lambda: os.read(child.stdout.fileno(), PIECE), b""):
            state.waits_for_us = True
            yield piece
            state.moved, state.waits_for_us = time.monotonic(), False
        for thread in threads[:2]:
            thread.join()
        code = child.wait()
    except BaseException:
        kill()
        raise
    finally:
        over.set()
        for thread in threads:
            thread.join()
        child.wait()
        child.stdout.close()
        child.stderr.close()
    if trouble:
        raise trouble[0]
    if code:
        hints = {126: ": is it executable?", 127: ": is it there, and on this machine?"}
        how = f"exit code {code}{hints.get(code, '')}" if code > 0 else f"signal {-code}"
        said = " | ".join(line.decode(errors="replace") for line in ears.last)
        raise task.failed(f"{command!r} failed with {how}" + (f"; it said: {said}" if said else ""))
    if ears.too_many:
        raise task.failed(ears.too_many)
    task.add(ears.counts)


# Map tasks: a pair is (partition, key, what is behind the key in its line).


def map_task(run, splits):
    """The pairs of splits, each with the place that it has in the order of all; and what was counted. Counters travel
    with the data, so they count once, as it does; Spark's accumulators would count a task that runs twice twice."""
    for split in splits:
        task = Task(run, "map", split["index"])
        pairs = mapped(task, split)
        if JOB["combiner"] is not None:
            pairs = combined(task, pairs)
        number = -1
        for number, (partition, key, rest) in enumerate(pairs):
            yield (partition, key, task.index, number), rest
        task.count("map.combined_records", number + 1)
        # In front of all pairs of its partition.
        yield (task.partitions[b""], b"", -1, task.index), task.counts


def mapped(task, split):
    if JOB["mapper"] is None:
        found = unchanged(task, split)
    else:
        found = lines(written_by(JOB["mapper"], task, fed(task, split), split))
    for line in found:
        task.count("map.output_records", 1)
        task.count("map.output_bytes", len(line))
        key, rest = keyed(line)
        yield task.partitions[key], key, rest


def keyed(line):
    """The key of a line, and what is behind it: with the tab, so that nothing is lost."""
    tab = line.find(b"\t")
    return (line, b"") if tab < 0 else (line[:tab], line[tab:])


def unchanged(task, split):
    for line in lines(pieces(split)):
        task.count("map.input_records", 1)
        task.count("map.input_bytes", len(line))
        yield line


def fed(task, split):
    """What a mapper reads. The file's last line gets an end if it has none."""
    ended = True
    for piece in pieces(split):
        task.count("map.input_records", piece.count(b"\n"))
        task.count("map.input_bytes", len(piece))
        ended = piece.endswith(b"\n")
        yield piece
    if not ended:
        task.count("map.input_records", 1)
        yield b"\n"


def combined(task, pairs):
    """Pairs as the combiner leaves them. It runs whenever so many are held as there is memory for, and at the end."""
    held, size = [], 0
    for pair in pairs:
        held.append(pair)
        size += len(pair[1]) + len(pair[2]) + 150  # Of which most is Python's.
        if size > JOB["memory_bytes"]:
            yield from combine(task, held)
            held, size = [], 0
    yield from combine(task, held)


def combine(task, held):
    held.sort(key=itemgetter(0, 1))  # What is equal stays in its order.
    for partition, group in itertools.groupby(held, key=itemgetter(0)):
        last = b""
        joined = join((key, rest) for _, key, rest in group)
        for line in lines(written_by(JOB["combiner"], task, joined)):
            key, rest = keyed(line)
            if key < last or task.partitions[key] != partition:
                why = "which it was not given at this place: a combiner has to keep keys as they are"
                raise task.failed(f"its combiner gave the key {key!r}, {why}")
            last = key
            yield partition, key, rest


def join(pairs):
    """Pairs as lines, many of them at once."""
    held, size = [], 0
    for key, rest in pairs:
        held += (key, rest, b"\n")
        size += len(key) + len(rest) + 1
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


# Reduce tasks.


def reduce_task(run, index, pairs):
    """Writes an output under a name that no other attempt has: its index, that name, and what was counted."""
    task = Task(run, "reduce", index)
    # The first pair is there when all are sorted, so the command need not wait for that.
    first = next(pairs, None)
    while first and first[0][2] < 0:
        task.add(first[1])
        first = next(pairs, None)
    joined = join(grouped(task, itertools.chain([first] if first else [], pairs)))
    if JOB["reducer"] is not None:
        joined = written_by(JOB["reducer"], task, joined)
    path = os.path.join(task.run["work"], f"reduce-{index}-{TaskContext.get().taskAttemptId()}")
    ended = True
    with open(path, "wb") as file:
        for piece in filter(None, joined):
            file.write(piece)
            task.count("reduce.output_records", piece.count(b"\n"))
            task.count("reduce.output_bytes", len(piece))
            ended = piece.endswith(b"\n")
        if not ended:
            file.write(b"\n")
            task.count("reduce.output_records", 1)
            task.count("reduce.output_bytes", 1)
        file.flush()
        os.fsync(file.fileno())
    yield index, path, task.counts


def grouped(task, pairs):
    last = None
    for (_, key, _, _), rest in pairs:
        task.count("reduce.input_records", 1)
        task.count("reduce.input_bytes", len(key) + len(rest))
        if key != last:
            task.count("reduce.groups", 1)
            last = key
        yield key, rest


# The job: the driver's part.


@contextlib.contextmanager
def claimed(out, job):
    """Takes the output directory, which must be empty or not there, and gives a hidden folder in it for what is no
    output yet. `quorate mr run` locks it in the same way."""
    made = not os.path.lexists(out)
    os.makedirs(out, exist_ok=True)
    directory = os.open(out, os.O_RDONLY)
    work = os.path.join(out, f".quorate-mr-{job}")
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            made = False
            raise JobFailed(f"another job writes to {out}: wait for its end") from None
        for name in sorted(os.listdir(out)):
            # A job that can go on has a file of that name; others were killed.
            left = os.path.join(out, name)
            if not name.startswith(".quorate-mr-") or os.path.exists(os.path.join(left, "job")):
                raise JobFailed(f"the output directory {out} exists and holds {name}: remove it")
            shutil.rmtree(left)
        os.mkdir(work)
        yield work
        os.fsync(directory)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(out)
        raise
    else:
        shutil.rmtree(work)
    finally:
        os.close(directory)


def spark_context(job):
    """Spark, where `spark-submit` says, or in this process. Edit here what else it should know."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # Nobody has submitted this: it was started by python.
        workers = JOB["workers"] or "*"
        words = f"--master local[{workers},{JOB['max_attempts']}] --conf spark.ui.enabled=false"
        os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"{words} pyspark-shell")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf().setAppName(f"quorate mr {job}")
    conf.set("spark.task.maxFailures", str(JOB["max_attempts"]))
    conf.set("spark.speculation", "true")  # A task that takes twice as long is run a second time,
    conf.set("spark.speculation.multiplier", "2")
    conf.set("spark.speculation.minTaskRuntime", f"{JOB['backup_after_ms']}ms")  # not before this.
    return SparkContext(conf=conf)


def run_job(run, splits):
    """What the reduce tasks made."""
    spark = spark_context(run["job"])
    try:
        pairs = spark.parallelize(splits, max(len(splits), 1)).mapPartitions(lambda some: map_task(run, some))
        pairs = pairs.repartitionAndSortWithinPartitions(JOB["reduces"], itemgetter(0))
        outputs = pairs.mapPartitionsWithIndex(lambda index, some: reduce_task(run, index, iter(some)))
        return sorted(outputs.collect(), key=itemgetter(0))
    except Exception as error:
        said = re.search(r"JobFailed: (.+)", str(error))
        if not said:
            raise
        raise JobFailed(said[1]) from None
    finally:
        spark.stop()


def main():
    begun, job = time.monotonic(), os.urandom(8).hex()
    splits = plan()
    out = os.path.join(os.getcwd(), JOB["out"])
    # What Spark changes for its own Python is given back to the commands.
    changed = [b"PYTHONPATH", b"PYTHONHASHSEED", b"PYTHONUNBUFFERED"]
    run = {"job": job, "maps": len(splits), "folder": os.getcwd()}
    run["environment"] = {name: os.environb.get(name) for name in changed}
    with claimed(out, job) as run["work"]:
        outputs = run_job(run, splits)
        for index, path, _ in outputs:
            os.rename(path, os.path.join(out, f"mr-out-{index}"))
    sums = collections.Counter()
    for _, _, counts in outputs:
        for name, amount in counts.items():
            sums[name] += amount
    counters = {name: sums[name] for name in sorted(sums) if sums[name] or "," in name}
    elapsed_ms = int(1000 * (time.monotonic() - begun))
    if JOB["json"]:
        told = {"job": job, "phase": "done", "counters": counters, "elapsed_ms": elapsed_ms}
        print(json.dumps(told))
        return
    print(f"job {job}: done in {elapsed_ms / 1000:.2f} s; {len(splits)} map and {JOB['reduces']} reduce tasks")
    for name, amount in counters.items():
        print(f"{name:<24}{amount:>14,}")


if __name__ == "__main__":
    try:
        main()
    except (JobFailed, OSError) as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
