"""Clients that write without a pause or at a pace, in processes of their own, and know when each answer came."""

import binascii
import gc
import multiprocessing
import os
import random
import selectors
import socket
import sys
import time

from cluster import Connection

SLOTS = 16384


def slot(key):
    return binascii.crc_hqx(key, 0) % SLOTS


def keys_in(first, last, count, prefix=b"key"):
    """So many keys of 16 bytes whose slots are from the first to the last."""
    found, number = [], 0
    while len(found) < count:
        key = b"%s:%012d" % (prefix, number)
        number += 1
        if first <= slot(key) <= last:
            found.append(key)
    return found


def load(port, keys, value):
    """Writes all keys."""
    connection = Connection(port)
    for begin in range(0, len(keys), 500):
        chunk = keys[begin : begin + 500]
        for answer in connection.pipeline([("SET", key, value) for key in chunk]):
            if answer != b"+OK":
                raise SystemExit(f"a SET was answered {answer}")


class Client:
    """Follows MOVED and ASK, and tries again when it is told to, as cluster clients do."""

    def __init__(self, port):
        self.connections = {}
        self.of_slot = {}
        self.port = port
        self.told = {}

    def at(self, port):
        if port not in self.connections:
            self.connections[port] = Connection(port)
        return self.connections[port]

    def set(self, key, value):
        number, asking, begun = slot(key), None, time.monotonic()
        while time.monotonic() < begun + 60:
            connection = self.at(asking or self.of_slot.get(number, self.port))
            if asking:
                connection.call("ASKING")
            asking = None
            answer = connection.call("SET", key, value)
            if answer == b"+OK":
                return
            word = answer.split()[0].decode()
            self.told[word] = self.told.get(word, 0) + 1
            if word == "-MOVED":
                self.of_slot[number] = int(answer.rsplit(b":", 1)[1])
            elif word == "-ASK":
                asking = int(answer.rsplit(b":", 1)[1])
            elif word not in ("-TRYAGAIN", "-CLUSTERDOWN"):
                raise SystemExit(f"a SET was answered {answer}")
        raise SystemExit(f"nobody took a SET of {key} for a minute")


def steady(first):
    """What the language collects now and then, and who else wants a processor, is not what is measured."""
    gc.disable()
    try:
        if first:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        else:
            os.nice(10)
    except PermissionError:
        print("not run by root: pauses are also those of the measuring processes", file=sys.stderr)


def run(port, keys, pace_s, value, until, results):
    steady(first=True)
    client, chance, taken = Client(port), random.Random(1), []
    while not until.is_set():
        key = chance.choice(keys)
        begun = time.monotonic()
        client.set(key, value)
        taken.append((begun, time.monotonic() - begun))
        if pace_s:
            time.sleep(pace_s)
    results.put((taken, client.told))


class Worker:
    """One of a crowd: sends the next request when the last is answered, and follows MOVED and ASK."""

    def __init__(self, crowd):
        self.crowd, self.sockets, self.rest = crowd, {}, b""
        self.key = self.begun = self.port = None

    def begin(self):
        self.key, self.begun = self.crowd.chance.choice(self.crowd.keys), time.monotonic()
        self.send(self.crowd.of_slot.get(slot(self.key), self.crowd.port))

    def send(self, port, before=b""):
        if port not in self.sockets:
            opened = socket.create_connection(("127.0.0.1", port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[port] = opened
            self.crowd.selector.register(opened, selectors.EVENT_READ, (self, opened))
        self.port = port
        self.sockets[port].sendall(before + Connection.encode("SET", self.key, self.crowd.value))

    def hear(self, opened):
        self.rest += opened.recv(4096)
        *lines, self.rest = self.rest.split(b"\r\n")
        for line in lines:
            if line == b"+OK" and self.crowd.asking.pop(self, None):
                continue
            self.answered(line)

    def answered(self, line):
        crowd = self.crowd
        if line == b"+OK":
            crowd.taken.append((self.begun, time.monotonic() - self.begun))
            return self.begin()
        word = line.split()[0].decode()
        crowd.told[word] = crowd.told.get(word, 0) + 1
        if word in ("-MOVED", "-ASK"):
            port = int(line.rsplit(b":", 1)[1])
            if word == "-MOVED":
                crowd.of_slot[slot(self.key)] = port
                return self.send(port)
            crowd.asking[self] = True
            return self.send(port, Connection.encode("ASKING"))
        if word in ("-TRYAGAIN", "-CLUSTERDOWN"):
            return self.send(self.port)
        raise SystemExit(f"a SET was answered {line}")


class Crowd:
    """Many connections in one thread, each with one request under way."""

    def __init__(self, port, keys, value, count):
        self.port, self.keys, self.value = port, keys, value
        self.chance, self.selector = random.Random(2), selectors.DefaultSelector()
        self.of_slot, self.told, self.taken, self.asking = {}, {}, [], {}
        self.workers = [Worker(self) for _ in range(count)]

    def run(self, until):
        for worker in self.workers:
            worker.begin()
        while not until.is_set():
            for event, _ in self.selector.select(0.1):
                worker, opened = event.data
                worker.hear(opened)


def run_crowd(port, keys, count, value, until, results):
    steady(first=False)
    crowd = Crowd(port, keys, value, count)
    crowd.run(until)
    results.put((crowd.taken, crowd.told))


class Probe:
    """A client in a process of its own, from the beginning of `with` on."""

    def __init__(self, port, keys, pace_s=0.0, crowd=0, value=b"v" * 64):
        """One connection that pauses between requests; or a crowd of connections that do not."""
        self.until, self.results = multiprocessing.Event(), multiprocessing.Queue()
        what, how = (run_crowd, crowd) if crowd else (run, pace_s)
        arguments = (port, keys, how, value, self.until, self.results)
        self.process = multiprocessing.Process(target=what, args=arguments, daemon=True)
        self.process.start()

    def end(self):
        """Of each request when it began and how long it took, in seconds; and which errors it was told."""
        self.until.set()
        ended = self.results.get()
        self.process.join()
        return ended


def longest_ms(taken, begin, end):
    """The longest that a request took that was under way between two moments."""
    spans = [span for begun, span in taken if begun + span >= begin and begun <= end]
    return max(spans, default=0) * 1000


def rate(taken, begin, end):
    """Requests a second that were answered between two moments."""
    count = sum(begin <= begun + span < end for begun, span in taken)
    return count / (end - begin)


def lowest_rate(taken, begin, end, window_s=0.5):
    """The fewest in any such window."""
    at, lowest = begin, None
    while at + window_s <= max(end, begin + window_s):
        here = rate(taken, at, at + window_s)
        lowest = here if lowest is None else min(lowest, here)
        at += window_s / 2
    return lowest
