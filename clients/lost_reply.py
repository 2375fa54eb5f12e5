#!/usr/bin/env python3
"""A reply is lost on its way: what does a client make of it?

usage: lost_reply.py PORT [--once]

Between the client and the server at PORT stands a proxy that swallows the reply to the first write and closes the connection,
as a network does that fails at the wrong moment. The server has executed the write; redis-py can't know, and sends it again.
With --once the write is sent through ONCE, which a Redis does not know, with a client id and a number.
"""

import secrets
import socket
import sys
import threading
import time
import uuid

import redis

KEY = "orders"


def uuid7():
    """A UUID of version 7: the time in milliseconds, then random bits. From Python 3.14 on, uuid.uuid7()."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return str(uuid.UUID(int=number & ~(0xF << 76) & ~(3 << 62) | 7 << 76 | 2 << 62))


def proxy(server_port):
    """A port that leads to the server and loses the first reply to a write."""
    listener = socket.create_server(("127.0.0.1", 0))
    loses = threading.Event()
    loses.set()

    def serve(client):
        with client, socket.create_connection(("127.0.0.1", server_port)) as server:
            while request := client.recv(1 << 16):
                server.sendall(request)
                reply = server.recv(1 << 16)
                if b"APPEND" in request and loses.is_set():
                    loses.clear()
                    print(f"   the server has answered {reply!r}, and the answer is lost")
                    return
                client.sendall(reply)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def main():
    port, once = int(sys.argv[1]), "--once" in sys.argv
    redis.Redis(port=port).delete(KEY)
    client = redis.Redis(port=proxy(port), decode_responses=True)
    if once:
        client_id = uuid7()
        print(f">>> ONCE {KEY} {client_id} 1 APPEND {KEY} 'one book;'")
        length = client.execute_command("ONCE", KEY, client_id, 1, "APPEND", KEY, "one book;")
    else:
        print(f">>> APPEND {KEY} 'one book;'")
        length = client.append(KEY, "one book;")
    print(f"   redis-py returns {length}, and no error")
    print(f">>> GET {KEY}\n   {client.get(KEY)!r}")


if __name__ == "__main__":
    main()
