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
        task.add({"map.combined_records": number + 1})
        # In front of all pairs of its partition.
        yield (task.partitions[b""], b"", -1, task.index), task.counts


def mapped(task, split):
    if JOB["mapper"] is None:
        found = unchanged(task, split)
    else:
        found = lines(written_by(JOB["mapper"], task, fed_lines(task, split), split))
    records = size = 0
    for line in found:
        records, size = records + 1, size + len(line)
        key, rest = keyed(line)
        yield task.partitions[key], key, rest
    task.add({"map.output_records": records, "map.output_bytes": size})


def keyed(line):
    """The key of a line, and what is behind it: with the tab, so that nothing is lost."""
    tab = line.find(b"\t")
    return (line, b"") if tab < 0 else (line[:tab], line[tab:])


def unchanged(task, split):
    records = size = 0
    for line in lines(pieces(split)):
        records, size = records + 1, size + len(line)
        yield line
    task.add({"map.input_records": records, "map.input_bytes": size})


def fed_lines(task, split):
    """What a mapper reads. The file's last line gets an end if it has none."""
    ended = True
    for piece in pieces(split):
        task.add({"map.input_records": piece.count(b"\n"), "map.input_bytes": len(piece)})
        ended = piece.endswith(b"\n")
        yield piece
    if not ended:
        task.add({"map.input_records": 1})
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
    path = os.path.join(run["work"], f"reduce-{index}-{TaskContext.get().taskAttemptId()}")
    try:
        with open(path, "wb") as file:
            for piece in ended(joined):
                file.write(piece)
                task.add({"reduce.output_records": piece.count(b"\n"), "reduce.output_bytes": len(piece)})
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise task.failed(f"can't write its output: {error}") from None
    yield index, path, task.counts


def ended(pieces):
    """Pieces of bytes, and an end of the last line if it has none."""
    last = b"\n"
    for last in filter(None, pieces):
        yield last
    if not last.endswith(b"\n"):
        yield b"\n"


def grouped(task, pairs):
    """Pairs, counted also where the reducer has seen enough of them."""
    last, groups, records, size = None, 0, 0, 0
    try:
        for (_, key, _, _), rest in pairs:
            records, size = records + 1, size + len(key) + len(rest)
            if key != last:
                last, groups = key, groups + 1
            yield key, rest
    finally:
        names = ["reduce.groups", "reduce.input_records", "reduce.input_bytes"]
        task.add(dict(zip(names, [groups, records, size])))


