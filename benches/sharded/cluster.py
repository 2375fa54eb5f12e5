"""Sharded clusters and Redis Clusters of processes on loopback, for measurements: started, measured, always ended."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE_S = 120
TICKS = os.sysconf("SC_CLK_TCK")


def wait_for(what, ask):
    """Asks until there is an answer."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            answer = ask()
        except OSError:
            answer = None
        if answer:
            return answer
        time.sleep(0.02)
    raise SystemExit(f"waited in vain for {what}")


def free_base(count, doors):
    """The first of `count` ports in a row that are free, each with those at these distances behind it."""

    def is_free(port):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True

    for base in range(13000 + os.getpid() % 700, 20000, 8):
        if all(is_free(base + node + door) for node in range(count) for door in doors):
            return base
    raise SystemExit("no free ports between 13000 and 23000")


class Connection:
    """One connection that speaks RESP2: sends commands, reads one reply each."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 16)

    @staticmethod
    def encode(*words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word.encode() if isinstance(word, str) else word
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
        return b"".join(parts)

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else line[:-2]

    def call(self, *words):
        self.socket.sendall(self.encode(*words))
        return self.read()

    def pipeline(self, commands):
        self.socket.sendall(b"".join(self.encode(*words) for words in commands))
        return [self.read() for _ in commands]


class Processes:
    """Processes with folders of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="quorate-sharded-")
        self.running = []

    def start(self, name, *arguments):
        with open(f"{self.folder}/{name}.log", "ab") as log:
            self.running.append(subprocess.Popen(arguments, stdout=log, stderr=log))

    def cpu_s(self):
        """Seconds of processor time that they have taken, together."""
        total = 0
        for process in self.running:
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory_mib(self):
        """Memory that they have in use, together, in MiB."""
        total = 0
        for process in self.running:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                line = next(line for line in status if line.startswith("VmRSS:"))
            total += int(line.split()[1])
        return total / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Quorate(Processes):
    """Nodes with a controller and groups on all of them; or, with no group, nodes of the one group."""

    def __init__(self, program, nodes, groups):
        super().__init__()
        self.program, self.groups = program, groups
        base = free_base(nodes, (0, 1000, 2000, 3000))
        self.ports = [base + node for node in range(nodes)]
        self.all = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        sharded = ["--controller", self.all] if groups else []
        for group in range(1, groups + 1):
            sharded += ["--group", f"{group}={self.all}"]
        for port in self.ports:
            arguments = ["--dir", f"{self.folder}/{port}", "--listen", f"127.0.0.1:{port}"]
            more = ["--nodes", self.all] if nodes > 1 or groups else []
            self.start(str(port), program, "server", *arguments, *more, *sharded)
        for port in self.ports:
            wait_for(f"port {port}", lambda port=port: Connection(port).call("PING") == b"+PONG")
        for group in range(1, groups + 1):
            wait_for(f"group {group} to join", lambda group=group: self.join(group))
        self.writes()

    def join(self, group):
        return self.admin("join", f"{group}={self.all}").returncode == 0

    def admin(self, *words):
        command = [self.program, "admin", "--addr", self.all, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def done(self, *words):
        output = self.admin(*words)
        if output.returncode != 0:
            raise SystemExit(f"quorate admin {' '.join(words)}: {output.stderr}")

    def writes(self):
        wait_for("a write", lambda: Connection(self.ports[0]).call("SET", "ready", "1") == b"+OK")

    def bench(self, *words):
        """What `quorate bench` says, with the processor time that the nodes took for a request, in µs."""
        address = f"127.0.0.1:{self.ports[0]}"
        before = self.cpu_s()
        command = [self.program, "bench", "--addr", address, "--json", *words]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
        said = json.loads(output.stdout)
        return said, (self.cpu_s() - before) * 1e6


class Redis(Processes):
    """Two masters of a Redis Cluster without replicas and without a log; the first has all slots."""

    def __init__(self):
        super().__init__()
        base = free_base(2, (0, 10000))
        self.ports = [base, base + 1]
        for port in self.ports:
            cluster = ["--cluster-enabled", "yes", "--cluster-config-file", f"{port}.conf"]
            where = ["--port", str(port), "--dir", self.folder, "--bind", "127.0.0.1"]
            self.start(str(port), "redis-server", *where, *cluster, "--save", "")
        for port in self.ports:
            wait_for(f"port {port}", lambda port=port: Connection(port).call("PING") == b"+PONG")
        one, two = (Connection(port) for port in self.ports)
        one.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        one.call("CLUSTER", "MEET", "127.0.0.1", str(self.ports[1]))
        is_whole = lambda at: b"cluster_state:ok" in at.call("CLUSTER", "INFO")
        knows = lambda at: b"cluster_known_nodes:2" in at.call("CLUSTER", "INFO")
        wait_for("the Redis Cluster", lambda: all(is_whole(at) and knows(at) for at in (one, two)))
        self.ids = [at.call("CLUSTER", "MYID").decode() for at in (one, two)]

    def reshard(self, slots, pipeline):
        """Moves the first slots to the second master, as its users do."""
        source, target = self.ids
        address = f"127.0.0.1:{self.ports[0]}"
        how = ["--cluster-yes", "--cluster-pipeline", str(pipeline)]
        moved = ["--cluster-from", source, "--cluster-to", target, "--cluster-slots", str(slots)]
        command = ["redis-cli", "--cluster", "reshard", address, *moved, *how]
        output = subprocess.run(command, capture_output=True, text=True, check=False)
        if output.returncode != 0:
            raise SystemExit(f"redis-cli --cluster reshard: {output.stdout[-500:]}{output.stderr}")
