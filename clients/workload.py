"""Writers that count: each appends tokens of its own to keys of its own, and afterwards the keys tell what was done.

A token that was acknowledged must be there, and behind those that were acknowledged before it. One that is there twice
was sent twice by its client: that may be only if the client's connection broke or its patience ended meanwhile, which
is noted too. Through ONCE none may be there twice at all.
"""

import collections
import threading
import time

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException

from lost_reply import uuid7
from nodes import wait_for

# What redis-py raises. Its cluster client has one that is no RedisError.
ERRORS = (redis.RedisError, RedisClusterException, OSError)

# Which writer's connections have broken before a reply had come, and how often: told by the library itself.
breaks = threading.local()


def count_breaks(connection):
    sent, read, ended = connection.send_packed_command, connection.read_response, connection.disconnect

    def send(self, *arguments, **more):
        self.waits = True
        result = sent(self, *arguments, **more)
        # It may have connected before, which has replies of its own.
        self.waits = True
        return result

    def receive(self, *arguments, **more):
        try:
            reply = read(self, *arguments, **more)
        except redis.ResponseError:
            self.waits = False
            raise
        self.waits = False
        return reply

    def disconnect(self, *arguments, **more):
        if getattr(self, "waits", False) and getattr(self, "_sock", None) is not None:
            breaks.count = getattr(breaks, "count", 0) + 1
        return ended(self, *arguments, **more)

    connection.send_packed_command, connection.read_response = send, receive
    connection.disconnect = disconnect


count_breaks(redis.connection.AbstractConnection)


class Writer:
    def __init__(self, name, connect, once=None, keys=1):
        self.name, self.connect, self.once = name, connect, once
        self.keys = [name] if keys == 1 else [f"{name}:{key}" for key in range(keys)]
        self.tokens = []  # (token, acknowledged, whether the connection broke meanwhile)
        self.errors = collections.Counter()
        self.acknowledged = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.stopping = False

    def start(self):
        self.thread.start()

    def run(self):
        client = None
        while not self.stopping:
            try:
                client = client or self.connect()
            except ERRORS:
                time.sleep(0.05)
                continue
            self.write(client, f"{self.name}.{len(self.tokens)}")

    def key(self):
        """The next token's."""
        return self.keys[len(self.tokens) % len(self.keys)]

    def write(self, client, token):
        before, acknowledged = getattr(breaks, "count", 0), False
        command = ["APPEND", self.key(), token + ";"]
        if self.once:
            command = ["ONCE", self.key(), self.once, len(self.tokens) + 1, *command]
        while True:
            try:
                client.execute_command(*command)
                acknowledged = True
            except ERRORS as error:
                self.errors[f"{type(error).__name__}: {error}"[:60]] += 1
                # Through ONCE the same may be sent again until it is answered; without, a program can only guess.
                if self.once:
                    time.sleep(0.02)
                    continue
            break
        self.tokens.append((token, acknowledged, getattr(breaks, "count", 0) > before))
        self.acknowledged += acknowledged

    def wait_for(self, more):
        goal = self.acknowledged + more
        try:
            wait_for(f"{more} writes of {self.name}", lambda: self.acknowledged >= goal)
        except SystemExit as late:
            raise SystemExit(f"{late}, which was told {dict(self.errors)}") from late

    def end(self):
        self.stopping = True
        self.thread.join(60)
        if self.thread.is_alive():
            raise SystemExit(f"{self.name} does not end")

    def count(self, values):
        """What became of the tokens by the keys' values, and what is wrong with that."""
        wrong, repeated = [], 0
        for number, (key, value) in enumerate(zip(self.keys, values)):
            value, tokens = value.decode().split(";")[:-1], self.tokens[number :: len(self.keys)]
            found = collections.Counter(value)
            for token, acknowledged, broke in tokens:
                times = found.pop(token, 0)
                if acknowledged and not times:
                    wrong.append(f"{token} was acknowledged, and is lost")
                repeated += max(0, times - 1)
                if times > 1 and (self.once or not broke):
                    wrong.append(f"{token} was executed {times} times, and its connection was well")
            if found:
                wrong.append(f"{key}: nobody wrote {list(found)[:3]} there")
            first = [value.index(token) for token, acknowledged, _ in tokens if acknowledged and token in value]
            if first != sorted(first):
                wrong.append(f"{key} is out of order")
        return repeated, wrong


def writers(nodes, victim, round_name):
    """One of each kind. Plain ones sit on nodes that survive; cluster ones know all nodes."""
    made = []
    survivors = [node for node in range(len(nodes.ports)) if node != victim]
    for protocol in (2, 3):
        for once in (False, True):
            node = survivors[protocol % len(survivors)]

            def plain(node=node, protocol=protocol):
                return redis.Redis(port=nodes.ports[node], protocol=protocol)

            def clustered(protocol=protocol):
                known = [ClusterNode("127.0.0.1", port + 1000) for port in nodes.ports]
                return RedisCluster(startup_nodes=known, protocol=protocol)

            for kind, connect in (("plain", plain), ("cluster", clustered)):
                how = "once" if once else "bare"
                name = f"{round_name}:redis-py:{kind}:resp{protocol}:{how}"
                made.append(Writer(name, connect, once and uuid7()))
    return made
