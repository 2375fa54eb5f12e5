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

    def __init__(self, run, kind, index):
        self.run, self.kind, self.index, self.counts = run, kind, index, {}
        self.partitions = Partitions()

    def add(self, counts):
        for name, amount in counts.items():
            self.counts[name] = self.counts.get(name, 0) + amount

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
            fed.close()

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


