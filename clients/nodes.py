"""Three nodes as processes of their own: started, killed, stopped, and always ended."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import redis

# No event takes longer, on however busy a machine.
PATIENCE_S = 60


def wait_for(what, ask):
    """Asks until there is an answer."""
    begun = time.monotonic()
    while time.monotonic() < begun + PATIENCE_S:
        try:
            answer = ask()
        except (redis.RedisError, OSError):
            answer = None
        if answer:
            return answer
        time.sleep(0.02)
    raise SystemExit(f"waited in vain for {what}")


def free_port(count):
    """The first of `count` ports in a row that are free, with those that nodes open behind them."""

    def free(port):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True

    for base in range(12000 + os.getpid() % 700, 28000, count):
        if all(free(base + node + door) for node in range(count) for door in (0, 1000, 2000, 3000)):
            return base
    raise SystemExit("no free ports between 12000 and 31000")


class Nodes:
    """A cluster of one group; with `groups`, a sharded one: the controller and each group are on all nodes."""

    def __init__(self, program, count=3, environment=None, groups=0):
        self.program, self.environment, self.groups = program, environment, groups
        self.folder = tempfile.mkdtemp(prefix="quorate-clients-")
        base = free_port(count)
        self.ports = [base + node for node in range(count)]
        self.running = [None] * count
        for node in range(count):
            self.start(node)

    def trace(self, node):
        """Where a node writes down what goes into its server."""
        return f"{self.folder}/trace-{node}"

    def addresses(self):
        """All nodes, as they are written in `nodes`."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self, node):
        arguments = ["server", "--dir", f"{self.folder}/{node}", "--listen", f"127.0.0.1:{self.ports[node]}"]
        if self.groups:
            arguments += ["--controller", self.addresses()]
            for group in range(1, self.groups + 1):
                arguments += ["--group", f"{group}={self.addresses()}"]
        else:
            arguments += ["--record", self.trace(node)]
        with open(f"{self.folder}/{node}.log", "ab") as log:
            self.running[node] = subprocess.Popen(
                [self.program, *arguments, "--nodes", self.addresses()],
                stdout=log,
                stderr=log,
                env={**os.environ, **(self.environment or {})},
            )
        wait_for(f"node {node}", lambda: self.client(node).ping())

    def client(self, node, **more):
        return redis.Redis(port=self.ports[node], socket_timeout=10, **more)

    def leader(self):
        """The node that leads."""

        def leads(node):
            info = self.client(node).info("raft")
            return info["raft_role"] == "leader" and info["raft_term"]

        def ask():
            found = []
            for node, process in enumerate(self.running):
                try:
                    term = process and leads(node)
                except (redis.RedisError, OSError):
                    continue
                if term:
                    found.append((term, node))
            return [max(found)[1]] if found else None

        return wait_for("a leader", ask)[0]

    def signal(self, node, name):
        self.running[node].send_signal(getattr(signal, name))

    def kill(self, node):
        self.running[node].kill()
        self.running[node].wait()
        self.running[node] = None

    def logs(self):
        for node in range(len(self.ports)):
            with open(f"{self.folder}/{node}.log", errors="replace") as log:
                print(f"--- node {node}: {self.folder}/{node}, {self.trace(node)}\n{log.read()}")

    def end(self):
        for node, process in enumerate(self.running):
            if process:
                self.kill(node)

    def replay(self, checks):
        """Ends the nodes and takes their steps again: what the replay says, and whether it refuses."""
        self.end()
        traces = [self.trace(node) for node in range(len(self.ports))]
        done = subprocess.run([checks, "replay", *traces], capture_output=True, text=True, timeout=600)
        return (done.stdout + done.stderr).strip(), done.returncode == 0

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
