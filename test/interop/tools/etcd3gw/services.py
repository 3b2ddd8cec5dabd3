"""Uses etcd3gw, which speaks to etcd's JSON gateway, over mutual TLS.

    services.py ENDPOINT CA CERT KEY SLOWNESS

Prints every step; on a fresh cluster, every server that has etcd's gateway leads to the same lines.
"""

import faulthandler
import sys

import etcd3gw
from etcd3gw import exceptions

DEADLINE_SECONDS = 30


def section(name):
    print("==", name, flush=True)


def say(*words):
    print(*words, flush=True)


def expect_refusal(what, attempt):
    try:
        attempt()
    except exceptions.Etcd3Exception as error:
        say(what, "refused:", type(error).__name__, str(error).strip(), error.detail_text)
    else:
        raise AssertionError(what + " was not refused")


def keys(etcd):
    section("keys")
    say("path", etcd.api_path)
    say("put", etcd.put("/config/a", "1"), etcd.put("/config/b", b"\x00\xff"))
    say("get", etcd.get("/config/a"), etcd.get("/config/b"), etcd.get("/none"))
    say("create", etcd.create("/config/c", "3"), etcd.create("/config/c", "4"))
    say("replace", etcd.replace("/config/c", "3", "5"), etcd.replace("/config/c", "3", "6"))
    for value, about in etcd.get_prefix("/config/", sort_order="descend", sort_target="key"):
        say("of the prefix", value, sorted(about.items()))
    say("limited", etcd.get("/config/", metadata=True, range_end="/config0", limit=1, keys_only=True))
    say("at a revision", etcd.get("/config/c", revision=4))
    expect_refusal("get of the future", lambda: etcd.get("/config/c", revision=1000))
    say("large", etcd.put("/large", "x" * 1_000_000), len(etcd.get("/large")[0]))
    say("delete", etcd.delete("/config/a"), etcd.delete("/config/a"), etcd.delete_prefix("/config/"))


def transactions(etcd):
    section("transactions")
    key = "L3R4bg=="
    absent = {"key": key, "result": "EQUAL", "target": "VERSION", "version": 0}
    put = {"request_put": {"key": key, "value": "MQ==", "prev_kv": True}}
    get = {"request_range": {"key": key}}
    for _ in range(2):
        answer = etcd.transaction({"compare": [absent], "success": [put, get], "failure": [get]})
        say(answer.get("succeeded", False), [sorted(response) for response in answer["responses"]])
    expect_refusal("a key put twice", lambda: etcd.transaction({"success": [put, put]}))
    expect_refusal("a key that is not base64", lambda: etcd.transaction({"success": [{"request_range": {"key": "*"}}]}))


def leases(etcd):
    section("leases")
    lease = etcd.lease(60)
    say("put", etcd.put("/lease/a", "1", lease=lease), lease.keys())
    say("refresh", lease.refresh(), 0 < lease.ttl() <= 60)
    say("revoke", lease.revoke(), etcd.get("/lease/a"), lease.refresh(), lease.ttl())
    expect_refusal("revoke once more", lease.revoke)
    expect_refusal("put with none", lambda: etcd.put("/lease/a", "1", lease=lease))


def locks(etcd, other):
    section("locks")
    mine, theirs = etcd.lock("boat", ttl=60), other.lock("boat", ttl=60)
    say("acquire", mine.acquire(), theirs.acquire(), mine.is_acquired(), theirs.is_acquired())
    say("refresh", mine.refresh())
    say("release", theirs.release(), mine.release(), theirs.acquire())
    with other.lock("ship") as lock:
        say("as a context", lock.is_acquired())
    say("left", lock.is_acquired())


def watches(etcd, writer):
    section("watches")
    events, cancel = etcd.watch_prefix("/watched/", start_revision=1, prev_kv=True)
    for value in "12":
        writer.put("/watched/a", value)
        event = next(events)
        say("event", event.get("type", "PUT"), event["kv"]["key"], event["kv"]["value"], "prev_kv" in event)
    writer.delete("/watched/a")
    event = next(events)
    say("event", event.get("type", "PUT"), event["kv"]["key"])
    cancel()
    writer.put("/watched/b", "1")
    writer.put("/watched/b", "2")
    revision = int(writer.get("/watched/b", metadata=True)[0][1]["mod_revision"])
    say("from a revision", etcd.watch_once("/watched/b", timeout=10, start_revision=revision)["kv"]["value"])


def cluster(etcd):
    section("cluster")
    say("members", [(member["name"], len(member["clientURLs"])) for member in etcd.members()])
    status = etcd.status()
    say("status", int(status["dbSize"]) > 0, int(status["raftTerm"]) > 0, status["leader"] == status["header"]["member_id"])


def main(endpoint, ca, cert, key, slowness):
    faulthandler.dump_traceback_later(DEADLINE_SECONDS * float(slowness), exit=True)
    host, port = endpoint.removeprefix("https://").split(":")
    own = {"protocol": "https", "ca_cert": ca, "cert_cert": cert, "cert_key": key, "timeout": 20 * float(slowness)}
    etcd, other = (etcd3gw.client(host=host, port=int(port), **own) for _ in range(2))
    keys(etcd)
    transactions(etcd)
    leases(etcd)
    locks(etcd, other)
    watches(etcd, other)
    cluster(etcd)
    section("done")


main(*sys.argv[1:])
