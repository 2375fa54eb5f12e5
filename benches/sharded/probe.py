"""Clients that write without a pause or at a pace, in processes of their own, and know when each answer came."""

import binascii
import multiprocessing
import random
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


def run(port, keys, pace_s, value, until, results):
    client, chance, taken = Client(port), random.Random(1), []
    while not until.is_set():
        key = chance.choice(keys)
        begun = time.monotonic()
        client.set(key, value)
        taken.append((begun, time.monotonic() - begun))
        if pace_s:
            time.sleep(pace_s)
    results.put((taken, client.told))


class Probe:
    """A client in a process of its own, from the beginning of `with` on."""

    def __init__(self, port, keys, pace_s=0.0, value=b"v" * 64):
        self.until, self.results = multiprocessing.Event(), multiprocessing.Queue()
        arguments = (port, keys, pace_s, value, self.until, self.results)
        self.process = multiprocessing.Process(target=run, args=arguments, daemon=True)
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
