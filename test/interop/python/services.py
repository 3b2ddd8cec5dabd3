"""What people do with python-etcd3, printed step by step.

On a fresh member, every server that speaks etcd's API leads to the same lines, revisions included.

    services.py HOST PORT SLOWNESS

SLOWNESS is how many times longer than on a quiet machine things take.
"""

import faulthandler
import queue
import sys
import threading
import time

import etcd3
import grpc

SLOWNESS = float(sys.argv[3])
# Limit of the whole script, which then shows the threads that still wait, and ends.
DEADLINE_SECONDS = 90 * SLOWNESS
# Limit of one answer of a server.
PATIENCE_SECONDS = 30 * SLOWNESS


def section(name):
    print("==", name)


def say(what, *values):
    print(what + ":", *values)


def expect_refusal(what, call):
    """Prints how `call` fails: python-etcd3 has its own errors for some codes, and passes on the others."""
    try:
        say(what, "not refused", call())
    except etcd3.exceptions.Etcd3Exception as error:
        say(what, type(error).__name__)
    except grpc.RpcError as error:
        say(what, error.code().name, error.details())


def show(kv):
    value, meta = kv
    if meta is None:
        return "nothing"
    return "%r=%r created %d modified %d version %d leased %s" % (
        meta.key,
        value,
        meta.create_revision,
        meta.mod_revision,
        meta.version,
        meta.lease_id != 0,
    )


def show_event(event):
    return "%s %r=%r created %d modified %d version %d was %r" % (
        type(event).__name__,
        event.key,
        event.value,
        event.create_revision,
        event.mod_revision,
        event.version,
        event.prev_value,
    )


def keys_and_values(etcd):
    section("put, get")
    say("put", etcd.put("/config/color", "blue").header.revision)
    say("put again", etcd.put("/config/color", "red", prev_kv=True).prev_kv.value)
    say("get", show(etcd.get("/config/color")))
    say("get, serializable", show(etcd.get("/config/color", serializable=True)))
    say("get of a missing key", show(etcd.get("/config/shape")))
    say("put of bytes", etcd.put(b"/config/\x00\xfe", b"\xff\x00").header.revision)
    say("get of bytes", etcd.get(b"/config/\x00\xfe")[0])
    say("put if missing", etcd.put_if_not_exists("/config/size", "10"), etcd.put_if_not_exists("/config/size", "11"))
    say("replace", etcd.replace("/config/size", "10", "12"), etcd.replace("/config/size", "10", "13"))
    expect_refusal("put without a key", lambda: etcd.put("", "x"))

    section("prefix, range")
    for kv in etcd.get_prefix("/config/"):
        say("prefix", show(kv))
    for kv in etcd.get_prefix("/config/", keys_only=True, sort_order="descend", sort_target="mod"):
        say("keys only, latest first", show(kv))
    for kv in etcd.get_range("/config/a", "/config/z", sort_order="ascend", sort_target="value"):
        say("range by value", show(kv))
    say("count", etcd.get_prefix_response("/config/").count)

    section("delete")
    say("delete, twice", etcd.delete("/config/size"), etcd.delete("/config/size"))
    response = etcd.delete(b"/config/\x00\xfe", prev_kv=True, return_response=True)
    say("delete with what was", response.deleted, response.prev_kvs[0].value, response.header.revision)
    say("delete of the prefix", etcd.delete_prefix("/config/").deleted)
    say("all", len(list(etcd.get_all())))


def transactions(etcd):
    section("transaction")
    txn = etcd.transactions
    etcd.put("/account/a", "100")
    etcd.put("/account/b", "0")
    succeeded, responses = etcd.transaction(
        compare=[txn.value("/account/a") == "100", txn.version("/account/b") < 2, txn.create("/account/c") == 0],
        success=[
            txn.put("/account/a", "70"),
            txn.put("/account/b", "30", prev_kv=True),
            txn.get("/account/a"),
            txn.get("/account/", range_end="/account0"),
        ],
        failure=[txn.delete("/account/a")],
    )
    say("succeeded", succeeded)
    say("first put, second", responses[0].response_put.header.revision, responses[1].response_put.prev_kv.value)
    say("get within", [show(kv) for kv in responses[2]])
    say("range within", [show(kv) for kv in responses[3]])

    succeeded, responses = etcd.transaction(
        compare=[txn.mod("/account/a") != 1, txn.value("/account/b") > "5"],
        success=[txn.get("/account/a")],
        failure=[
            txn.delete("/account/b", prev_kv=True),
            txn.txn(
                compare=[txn.version("/account/b") > 1],
                success=[txn.put("/account/c", "nested")],
                failure=[txn.get("/account/b")],
            ),
        ],
    )
    say("not succeeded", succeeded)
    say("delete within", responses[0].response_delete_range.deleted, responses[0].response_delete_range.prev_kvs[0].value)
    say("nested", responses[1].response_txn.succeeded, len(responses[1].response_txn.responses))
    for kv in etcd.get_prefix("/account/"):
        say("after", show(kv))

    expect_refusal(
        "the same key twice",
        lambda: etcd.transaction(compare=[], success=[txn.put("/x", "1"), txn.put("/x", "2")], failure=[]),
    )


def watches(etcd, writer):
    section("watch with a callback")
    responses = queue.Queue()
    first = etcd.add_watch_prefix_callback("/services/", responses.put, prev_kv=True)
    other = etcd.add_watch_callback("/services/b", responses.put)
    say("ids differ", first != other)
    for write in (
        lambda: writer.put("/services/a", "10.0.0.1:80"),
        lambda: writer.put("/services/a", "10.0.0.2:80"),
        lambda: writer.delete("/services/a"),
    ):
        write()
        response = responses.get(timeout=PATIENCE_SECONDS)
        say("response", response.header.revision, [show_event(event) for event in response.events])

    section("watch cancelled")
    # Both watches are on one stream, in order: if the first one still ran, its event would have come first.
    etcd.cancel_watch(first)
    writer.put("/services/b", "10.0.0.3:80")
    response = responses.get(timeout=PATIENCE_SECONDS)
    say("only the other", [show_event(event) for event in response.events])
    etcd.cancel_watch(other)
    writer.put("/services/b", "10.0.0.4:80")
    marker = queue.Queue()
    last = etcd.add_watch_callback("/services/marker", marker.put)
    writer.put("/services/marker", "")
    marker.get(timeout=PATIENCE_SECONDS)
    etcd.cancel_watch(last)
    say("nothing more", responses.empty())

    section("watch as an iterator")
    events, cancel = etcd.watch_prefix("/jobs/")
    for number in range(3):
        writer.put("/jobs/%d" % number, "todo")
    writer.transaction(
        compare=[],
        success=[writer.transactions.put("/jobs/9", "last"), writer.transactions.delete("/jobs/0")],
        failure=[],
    )
    writer.delete_prefix("/jobs/")
    for _ in range(8):
        say("event", show_event(next(events)))
    cancel()
    say("after cancel", list(events))

    section("watch once")
    say("times out", watch_once_in_vain(etcd))


def watch_once_in_vain(etcd):
    try:
        return etcd.watch_once("/silent", timeout=0.05)
    except etcd3.exceptions.WatchTimedOut as error:
        return type(error).__name__


def history(etcd, writer):
    section("watch from a revision")
    start = writer.put("/history/a", "0").header.revision
    for number in range(1, 5):
        writer.put("/history/a", str(number))
    events, cancel = etcd.watch("/history/a", start_revision=start + 1, prev_kv=True)
    for _ in range(4):
        say("event", show_event(next(events)))
    writer.put("/history/a", "live")
    say("live", show_event(next(events)))
    cancel()

    events, cancel = etcd.watch("/history/a", start_revision=start + 8)
    for number in range(5, 9):
        writer.put("/history/a", str(number))
    say("from a revision to come", show_event(next(events)))
    cancel()

    section("watch of compacted history")
    writer.compact(start + 3)
    events, _ = etcd.watch("/history/a", start_revision=start + 1)
    try:
        say("not compacted", show_event(next(events)))
    except etcd3.exceptions.RevisionCompactedError as error:
        say("compacted", error.compacted_revision - start)
    # The stream stays open, with its other watches.
    events, cancel = etcd.watch("/history/a", start_revision=start + 3)
    say("from the compaction on", show_event(next(events)))
    cancel()
    expect_refusal("compaction once more", lambda: writer.compact(start + 3))
    expect_refusal("compaction of what is to come", lambda: writer.compact(start + 1000))


def leases(etcd, writer):
    section("lease")
    lease = writer.lease(60)
    say("granted", lease.ttl, lease.id > 0)
    writer.put("/lease/a", "1", lease=lease)
    writer.put("/lease/b", "2", lease=lease.id)
    say("key", show(writer.get("/lease/a")), writer.get("/lease/a")[1].lease_id == lease.id)
    say("info", lease.granted_ttl, 0 < lease.remaining_ttl <= 60, sorted(lease.keys))
    say("refresh", [(answer.ID == lease.id, answer.TTL) for answer in lease.refresh()])
    writer.put("/lease/b", "3")
    say("put without it", sorted(lease.keys))

    events, cancel = etcd.watch_prefix("/lease/", prev_kv=True)
    lease.revoke()
    say("revoked", show_event(next(events)))
    say("keys left", [show(kv) for kv in writer.get_prefix("/lease/")])
    say("info of none", lease.granted_ttl, lease.remaining_ttl, list(lease.keys))
    say("refresh of none", [(answer.ID == lease.id, answer.TTL) for answer in lease.refresh()])
    expect_refusal("revoke once more", lease.revoke)
    expect_refusal("put with none", lambda: writer.put("/lease/c", "4", lease=lease))

    section("lease with an id of its own")
    own = writer.lease(100, lease_id=4711)
    say("granted", own.id, own.ttl)
    expect_refusal("granted once more", lambda: writer.lease(100, lease_id=4711))
    expect_refusal("granted for too long", lambda: writer.lease(9_000_000_001))
    own.revoke()

    section("lease that ends")
    begun = time.monotonic()
    brief = writer.lease(1)
    say("granted at least", brief.ttl)
    txn = writer.transactions
    writer.transaction(
        compare=[],
        success=[txn.put("/lease/y", "", lease=brief), txn.put("/lease/x", "", lease=brief)],
        failure=[],
    )
    say("put", [show_event(next(events)) for _ in range(2)])
    say("expired", [show_event(next(events)) for _ in range(2)])
    say("never early", time.monotonic() - begun >= brief.ttl)
    say("info", brief.remaining_ttl)
    cancel()


def locks(etcd, writer):
    # The script waits for a lock by watching its key: with a current tenacity, python-etcd3 0.12 fails as soon as
    # `acquire` has to wait, on any server. With a timeout of 0 it makes one attempt.
    section("lock")
    mine, theirs = etcd.lock("boat", ttl=60), writer.lock("boat", ttl=60)
    say("acquire", mine.acquire(), mine.is_acquired(), theirs.is_acquired())
    say("key", mine.key, etcd.get(mine.key)[1].lease_id == mine.lease.id)
    say("acquire what is held", theirs.acquire(timeout=0), theirs.is_acquired())
    say("refresh", [answer.TTL for answer in mine.refresh()])
    say("release by another", theirs.release())
    events, cancel = writer.watch(mine.key)
    say("release", mine.release(), mine.is_acquired())
    say("the other sees it", type(next(events)).__name__)
    say("acquire", theirs.acquire(timeout=0), theirs.is_acquired())
    theirs.lease.revoke()
    say("gone with its lease", theirs.is_acquired())
    cancel()
    with etcd.lock("boat", ttl=60) as lock:
        say("as a context", lock.is_acquired())
    say("left", lock.is_acquired())


def cluster(etcd):
    section("cluster")
    say("members", [(member.name, len(list(member.client_urls))) for member in etcd.members])
    status = etcd.status()
    say("leader", status.leader.name, status.db_size > 0, status.raft_term > 0)


def main(host, port):
    faulthandler.dump_traceback_later(DEADLINE_SECONDS, exit=True)
    # python-etcd3's threads continue to watch after their client was closed; their errors would be printed or not, at random.
    threading.excepthook = lambda _: None
    etcd = etcd3.client(host, port, timeout=PATIENCE_SECONDS)
    writer = etcd3.client(host, port, timeout=PATIENCE_SECONDS)
    with etcd, writer:
        keys_and_values(etcd)
        transactions(etcd)
        watches(etcd, writer)
        history(etcd, writer)
        leases(etcd, writer)
        locks(etcd, writer)
        cluster(etcd)
    section("done")


main(sys.argv[1], int(sys.argv[2]))
