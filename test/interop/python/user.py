"""Uses python-etcd3 over mutual TLS as a user who may read and write the keys that begin with a slash, and nothing else.

    user.py ENDPOINT CA CERT KEY SLOWNESS USER PASSWORD

Prints every step; on a fresh member, every server that speaks etcd's API leads to the same lines.
"""

import faulthandler
import sys
import threading

import etcd3
import grpc

ENDPOINT, CA, CERT, KEY, SLOWNESS, USER, PASSWORD = sys.argv[1:]
# For the whole: a thread that still waits then is shown, and the script ends.
DEADLINE_SECONDS = 60 * float(SLOWNESS)
# For one answer of a server.
PATIENCE_SECONDS = 30 * float(SLOWNESS)


def say(what, *values):
    print(what + ":", *values)


def refused(what, call):
    """Says how `call` fails: python-etcd3 has errors of its own for some codes, and passes the others on."""
    try:
        say(what, "not refused", call())
    except etcd3.exceptions.Etcd3Exception as error:
        say(what, type(error).__name__)
    except grpc.RpcError as error:
        say(what, error.code().name, error.details())


def connect(**user):
    host, port = ENDPOINT.replace("https://", "").split(":")
    files = {"ca_cert": CA, "cert_cert": CERT, "cert_key": KEY}
    return etcd3.client(host, int(port), timeout=PATIENCE_SECONDS, **files, **user)


def main():
    faulthandler.dump_traceback_later(DEADLINE_SECONDS, exit=True)
    # python-etcd3's threads try to watch on after their client has been closed; their complaints would race the end.
    threading.excepthook = lambda _: None
    refused("login", lambda: connect(user=USER, password="wrong"))
    refused("nobody's get", lambda: connect().get("/a"))
    with connect(user=USER, password=PASSWORD) as one, connect(user=USER, password=PASSWORD) as other:
        events, cancel = other.watch_prefix("/a")
        one.put("/a", "1")
        say("event", next(events).value)
        cancel()
        refused("put", lambda: one.put("a", "1"))
        refused("get", lambda: list(one.get_all()))
        txn = one.transactions
        refused("txn", lambda: one.transaction(compare=[], success=[txn.put("/a", "2"), txn.get("a")], failure=[]))
        say("unchanged", one.get("/a")[0])
        refused("delete", lambda: one.delete_prefix("a"))
        refused("defragment", one.defragment)
        lease = one.lease(60)
        one.put("/lease", "1", lease=lease)
        say("refresh", [answer.TTL for answer in lease.refresh()], sorted(lease.keys))
        lease.revoke()
        say("revoked", one.get("/lease")[0])
        mine, theirs = one.lock("boat", ttl=60), other.lock("boat", ttl=60)
        say("lock", mine.acquire(), theirs.acquire(timeout=0), theirs.is_acquired())
        say("release", mine.release(), theirs.acquire(timeout=0), theirs.release())
    say("done")


main()
