"""Jobs by `quorate mr run` and by exported programs: are their outputs equal byte for byte, and their counters?
Prints what was tried; ends with 1 if anything is wrong. With names behind the program only jobs of these names are run,
and no failures are."""

import contextlib
import gzip
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import time

import pyspark

QUORATE, ONLY = os.path.abspath(sys.argv[1]), sys.argv[2:]
WORDS = """tr -sc A-Za-z '\\n' | awk 'NF { print $1 "\\t1" }'"""
SUM = """awk -F'\\t' '
    $1 != last { if (NR > 1) print last "\\t" sum; last = $1; sum = 0 }
    { sum += $2 }
    END { if (NR > 0) print last "\\t" sum }'"""
COUNTS = """cat; printf 'reporter:counter:g,n,3\\nreporter:counter:g,a,b,-4\\nreporter:counter:g,zero,0
reporter:counter:nonsense\\nreporter:counter:g,n,x\\nreporter:status:half way\\nheard by a person\\n' >&2"""
ODD = """printf '%s\\t%s\\n' "it's \\"it\\" \\\\" '}
{#}' '\u00e4 \U0001f600'; cat"""
problems = []


def check(what, holds, seen=""):
    print(f"  {'ok ' if holds else 'BAD'} {what}" + (f": {seen}" if seen and not holds else ""), flush=True)
    if not holds:
        problems.append(what)


def write(path, data):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def texts():
    """A little of everything that may be in an input."""
    vocabulary = "sea whale Ahab ship tom river fog moor hound letter clock x".split()
    seed = 1
    for book in range(4):
        lines = []
        for line in range(200 + 50 * book):
            words = []
            for _ in range(9):
                seed = (seed * 6364136223846793005 + 1442695040888963407) % (1 << 64)
                words.append(vocabulary[(seed >> 40) % 12] + ("," if (seed >> 40) % 31 == 0 else ""))
            lines.append(" ".join(words) + f" {line % 97}\n")
        write(f"books/{book}.txt", "".join(lines).encode())
    write("books/sub/more.txt", b"a whale\n")
    write("books/.hidden", b"hidden\n")
    write("books/_left", b"left out\n")
    os.symlink("sub", "books/link")
    os.symlink("../books/0.txt", "books/linked.txt")
    write("bytes", b"b\t1\tx\nno tab\n\xff\xfe\t\x00\xc3\nc\r\n\n\tno key\nb\t\na\t\nb\t0\n\x00\t1\nlast")
    write("longer", b"k\t" + b"y" * 300_000 + b"\nk\tshort\n")
    write("empty", b"")
    write("it's \"a\" \\ file", b"1\n2\n")
    write("two.gz", gzip.compress(b"b\t1\na\t2\n") + gzip.compress(b"a\t3\nlast"))
    write("empty.gz", gzip.compress(b""))
    if shutil.which("zstd"):
        for name, text in [("1", b"a\t9\n"), ("2", b"c\t8\na\t7")]:
            write(name, text)
        with open("two.zst", "wb") as out:
            subprocess.run(["zstd", "-qc", "1", "2"], stdout=out, check=True)


def jobs():
    """Name, what is asked for, whether the counters are equal too. They are not where a command stops reading when it
    likes, or where memory says how often a combiner runs."""
    words = ["--mapper", WORDS, "--reducer", SUM, "--split-bytes", "8K"]
    where = 'cat >/dev/null; echo "$mapreduce_map_input_file\\t$mapreduce_task_partition $mapreduce_job_maps ' \
        '$mapreduce_job_reduces $mapreduce_map_input_start $mapreduce_map_input_length $mapreduce_task_ismap"'
    at = 'cat; echo "$mapreduce_task_partition $mapreduce_task_ismap $mapreduce_map_input_file"'
    patterns = ["books", "books/", "books/*", "./books/?.txt", "books/[1-2]*", "books/[!1-2]*t", "books/**", "**/more*"]
    patterns += ["./**/[0-1].txt", "boo*/*/", "books//0.*", os.path.abspath("books") + "/**/*.txt", "books/./.h*"]
    compressed = ["two.gz", "empty.gz"] + (["two.zst"] if shutil.which("zstd") else [])
    return [
        ("combined", [*words, "--combiner", SUM, "--reduces", "3", "books"], True),
        ("combined often", [*words, "--combiner", SUM, "--memory", "4K", "--reduces", "2", "books"], False),
        ("as they are", ["--mapper", "cat", "--reduces", "2", "--split-bytes", "3", "bytes", "bytes"], True),
        ("neither", ["--reducer", "cat", "--reduces", "3", "bytes", "longer", *compressed], True),
        ("nothing", ["--mapper", "cat", "--reducer", "wc -l | tr -d ' '", "--reduces", "2", "empty"], True),
        ("counters", ["--mapper", COUNTS, "--combiner", COUNTS, "--reducer", COUNTS, "bytes", "longer"], True),
        ("places", ["--mapper", where, "--reducer", at, "--reduces", "2", "--split-bytes", "9K", *patterns], True),
        ("odd words", ["--mapper", ODD, "--reduces", "1", "it's \"a\" \\ file"], True),
        ("as head", ["--mapper", "head -2", "--reducer", "head -1; printf end", "--reduces", "2", "books"], False),
    ]


def quorate(*words):
    return subprocess.run([QUORATE, "mr", *words], capture_output=True, text=True, timeout=120)


def export(name, words):
    program = f"{name}.py"
    done = quorate("export", "--engine", "spark", "--to", program, "--out", f"{name} by Spark", *words)
    check(f"{name}: exported", done.returncode == 0, done.stderr)
    return program


def files(folder):
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


def equal(name, told, expected, counters_too):
    ours, theirs = files(name), files(f"{name} by Spark")
    differ = [file for file in ours.keys() | theirs.keys() if ours.get(file) != theirs.get(file)]
    size = sum(map(len, ours.values()))
    check(f"{name}: {len(ours)} outputs of {size:,} bytes are equal", ours and not differ, differ)
    own = [counters for counters in (expected, told)]
    if not counters_too:
        own = [{key: sum for key, sum in counters.items() if "," in key} for counters in own]
    check(f"{name}: so are {len(own[0])} counters", own[0] == own[1], own)


class Told(io.StringIO):
    """PySpark would put Java's words into one of the very class."""


def inside(program):
    """Runs a program in this process, for starting Java takes long: what it has counted, or its last words."""
    told = Told()
    try:
        with contextlib.redirect_stdout(told):
            runpy.run_path(program, run_name="__main__")
    except (Exception, SystemExit) as end:
        return f"{type(end).__name__}: {end}"[:2000]
    return json.loads(told.getvalue())["counters"]


def equal_outputs():
    for name, words, counters_too in [job for job in jobs() if not ONLY or job[0] in ONLY]:
        begun = time.monotonic()
        words = ["--json", *words]
        done = quorate("run", "--workers", "2", "--out", name, *words)
        check(f"{name}: runs", done.returncode == 0, done.stderr)
        if done.returncode == 0:
            expected = json.loads(done.stdout)["counters"]
            told = inside(export(name, ["--workers", "2", *words]))
            check(f"{name}: runs in Spark", isinstance(told, dict), told)
            if isinstance(told, dict):
                equal(name, told, expected, counters_too)
        print(f"      {time.monotonic() - begun:.1f} s", flush=True)


def outside(*command):
    """Runs a program as people do who have activated the virtual environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYSPARK_")}
    environment["PATH"] = os.path.dirname(sys.executable) + ":" + environment["PATH"]
    environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def submitted():
    """By spark-submit, whose word on the master counts; what is printed is for people. The first attempt fails when it
    has counted, and must not count."""
    mapper = COUNTS + "; [ -e again ] || { touch again; exit 3; }"
    program = export("submitted", ["--mapper", mapper, "--workers", "1", "bytes"])
    quorate("run", "--workers", "1", "--mapper", mapper, "--out", "submitted", "bytes")
    os.remove("again")
    done = outside("spark-submit", "--master", "local[2,2]", "--conf", "spark.ui.enabled=false", program)
    check("submitted: runs", done.returncode == 0, done.stderr[-2000:])
    rows = [line.split() for line in done.stdout.splitlines()]
    check("submitted: says what it has counted", ["g,a,b", "-4"] in rows and ["g,n", "3"] in rows, done.stdout)
    heard = done.stderr.count("map 0: heard by a person")
    check("submitted: passes on what is said, and was run twice", heard == 2, done.stderr[-2000:])
    check("submitted: and the status", "map 0: half way" in done.stderr, done.stderr[-2000:])
    check("submitted: equal", files("submitted") and files("submitted") == files("submitted by Spark"))


def failures():
    """A program as people start it, then others in this process."""
    fails = "cat; [ $mapreduce_task_partition = 0 ] || { echo first >&2; echo no such thing >&2; exit 7; }"
    words = ["--mapper", "cat", "--reducer", fails, "--max-attempts", "2", "--reduces", "2", "bytes"]
    done = outside("python3", export("fails", words))
    last = "".join(done.stderr.strip().splitlines()[-1:])
    check("fails: with code 1", done.returncode == 1, done.returncode)
    refused("fails", last, "exit code 7; it said: first | no such thing")
    attempts = done.stderr.count("reduce 1: no such thing")
    check("fails: twice", attempts == 2, attempts)
    for name, words, text in [
        ("hangs", ["--mapper", "exec sleep 1000", "--task-timeout", "500ms"], "it read and wrote nothing for 0.5 s"),
        ("changes keys", ["--mapper", "cat", "--combiner", "sed s/^b/~/"], "a combiner has to keep keys"),
        ("many counters", ["--mapper", "seq -f reporter:counter:g,%.0f,1 1001 >&2"], "more than 1000 different"),
    ]:
        refused(name, inside(export(name, [*words, "--max-attempts", "1", "--reduces", "1", "bytes"])), text)
    refused("no file", inside(export("no file", ["--mapper", "cat", "nothing/*"])), "no file matches 'nothing/*'")
    write("taken by Spark/letter", b"dear")
    refused("taken", inside(export("taken", ["--mapper", "cat", "bytes"])), "exists and holds letter", ["letter"])


def refused(name, said, text, left=None):
    check(f"{name}: is told why", text in said, said)
    seen = sorted(os.listdir(f"{name} by Spark")) if os.path.isdir(f"{name} by Spark") else None
    check(f"{name}: leaves nothing", seen == left, seen)


def main():
    begun = time.monotonic()
    # Java starts in half the time if it need not become fast later.
    os.environ["SPARK_SUBMIT_OPTS"] = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    # What Java and the commands say to people: shown if something is wrong.
    sys.stderr = os.fdopen(os.dup(2), "w")
    print(f"== PySpark {pyspark.__version__}, Python {sys.version.split()[0]}")
    if not shutil.which("zstd"):
        print("not tried: zstd, which is not here")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        texts()
        os.dup2(os.open("said", os.O_WRONLY | os.O_CREAT), 2)
        if not ONLY:
            submitted()
            failures()
        equal_outputs()
        if problems:
            with open("said", errors="replace") as said:
                print(said.read()[-20_000:])
        os.chdir("/")
    print(f"{time.monotonic() - begun:.0f} s; " + (f"{len(problems)} BAD" if problems else "all as it should be"))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
