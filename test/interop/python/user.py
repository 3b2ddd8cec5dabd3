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
# Limit of the whole script, which then shows the threads that still wait, and ends.
DEADLINE_SECONDS = 60 * float(SLOWNESS)
# Limit of one answer of a server.
PATIENCE_SECONDS = 30 * float(SLOWNESS)


def say(what, *values):
    print(what + ":", *values)


def expect_refusal(what, call):
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
    # python-etcd3's threads continue to watch after their client was closed; their errors would be printed or not, at random.
    threading.excepthook = lambda _: None
    expect_refusal("login", lambda: connect(user=USER, password="wrong"))
    expect_refusal("nobody's get", lambda: connect().get("/a"))
    with connect(user=USER, password=PASSWORD) as one, connect(user=USER, password=PASSWORD) as other:
        events, cancel = other.watch_prefix("/a")
        one.put("/a", "1")
        say("event", next(events).value)
        cancel()
        expect_refusal("put", lambda: one.put("a", "1"))
        expect_refusal("get", lambda: list(one.get_all()))
        txn = one.transactions
        expect_refusal("txn", lambda: one.transaction(compare=[], success=[txn.put("/a", "2"), txn.get("a")], failure=[]))
        say("unchanged", one.get("/a")[0])
        expect_refusal("delete", lambda: one.delete_prefix("a"))
        expect_refusal("defragment", one.defragment)
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
