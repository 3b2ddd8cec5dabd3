package main

import (
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/namespace"
)

func keys(client *clientv3.Client) {
	section("keys")
	responses := client.Watch(ctx, "/keys/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	say("created", (<-responses).Created)
	scoped := namespace.NewKV(client.KV, "/keys/")
	for _, value := range []string{"1", "2"} {
		say("put at", must(scoped.Put(ctx, "a", value)).Header.Revision)
		event := (<-responses).Events[0]
		say("event", event.Type, string(event.Kv.Key), string(event.Kv.Value), event.IsCreate(), event.PrevKv != nil)
	}
	large := strings.Repeat("x", 1_000_000)
	must(scoped.Put(ctx, "large", large))
	say("large", string((<-responses).Events[0].Kv.Value) == large, string(must(scoped.Get(ctx, "large")).Kvs[0].Value) == large)
	_, err := scoped.Put(ctx, "too large", strings.Repeat("x", 2_000_000))
	expectRefusal("put of too much", err)
	_, err = client.Get(ctx, "a", clientv3.WithRev(1_000_000))
	expectRefusal("get of the future", err)
	say("as etcd's error", err == rpctypes.ErrFutureRev)
	answer := must(client.Get(ctx, "/keys/", clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(1)))
	say("limited", answer.Count, answer.More, string(answer.Kvs[0].Key), len(answer.Kvs[0].Value))
	say("streamed", readStreamed(client))
	say("deleted", must(scoped.Delete(ctx, "", clientv3.WithPrefix(), clientv3.WithPrevKV())).Deleted)
}

// readStreamed reads all keys with etcd 3.7's RangeStream.
func readStreamed(client *clientv3.Client) int {
	stream := must(pb.NewKVClient(client.ActiveConnection()).RangeStream(ctx, &pb.RangeRequest{Key: []byte("/keys/"), RangeEnd: []byte("/keys0")}))
	count := 0
	for {
		part, err := stream.Recv()
		if err != nil {
			say("end of the stream", err)
			return count
		}
		count += len(part.RangeResponse.Kvs)
	}
}

func leases(client *clientv3.Client) {
	section("leases")
	lease := must(client.Grant(ctx, sessionTTL))
	must(client.Put(ctx, "/lease/a", "", clientv3.WithLease(lease.ID)))
	alive := must(client.KeepAlive(ctx, lease.ID))
	say("kept alive", (<-alive).TTL)
	info := must(client.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys()))
	say("info", info.GrantedTTL, info.TTL > 0, string(info.Keys[0]))
	must(client.Revoke(ctx, lease.ID))
	_, err := client.KeepAliveOnce(ctx, lease.ID)
	expectRefusal("keep-alive", err)
	say("left", must(client.Get(ctx, "/lease/a")).Count)
}
