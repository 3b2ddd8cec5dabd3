package main

import (
	"context"
	"sort"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/etcdserver/api/v3rpc/rpctypes"
)

func leases(client *clientv3.Client) {
	section("lease")
	lease, err := client.Grant(background(), 60)
	check(err)
	say("granted", lease.TTL, lease.ID > 0)
	put(client, "/lease/a", "1", clientv3.WithLease(lease.ID))
	put(client, "/lease/b", "2", clientv3.WithLease(lease.ID))
	put(client, "/lease/b", "3", clientv3.WithIgnoreLease())

	info, err := client.TimeToLive(background(), lease.ID, clientv3.WithAttachedKeys())
	check(err)
	keys := []string{}
	for _, key := range info.Keys {
		keys = append(keys, string(key))
	}
	sort.Strings(keys)
	say("info", info.GrantedTTL, info.TTL > 0 && info.TTL <= 60, keys)
	all, err := client.Leases(background())
	check(err)
	say("listed", len(all.Leases), all.Leases[0].ID == lease.ID)
	once, err := client.KeepAliveOnce(background(), lease.ID)
	check(err)
	say("kept alive", once.TTL)

	before := put(client, "/lease/c", "")
	revoked, err := client.Revoke(background(), lease.ID)
	check(err)
	say("revoked in one revision", revoked.Header.Revision-before, count(client, "/lease/"))

	info, err = client.TimeToLive(background(), lease.ID)
	check(err)
	say("info of none", info.GrantedTTL, info.TTL)
	_, err = client.KeepAliveOnce(background(), lease.ID)
	expectRefusal("keep alive", err)
	say("as a Go error", err == rpctypes.ErrLeaseNotFound)
	_, err = client.Revoke(background(), lease.ID)
	expectRefusal("revoke", err)
	_, err = client.Put(background(), "/lease/d", "", clientv3.WithLease(lease.ID))
	expectRefusal("put", err)
	_, err = client.Grant(background(), 9_000_000_001)
	expectRefusal("grant for too long", err)

	keepAlive(client)
}

// keepAlive checks that a lease with keep-alives outlives its TTL.
func keepAlive(client *clientv3.Client) {
	section("keep alive")
	begun := time.Now()
	lease, err := client.Grant(background(), 1)
	check(err)
	say("granted at least", lease.TTL)
	granted := time.Duration(lease.TTL) * time.Second
	revision := put(client, "/lease/kept", "", clientv3.WithLease(lease.ID))
	gone := watched{responses: client.Watch(background(), "/lease/kept", clientv3.WithRev(revision+1))}

	ctx, letGo := context.WithCancel(background())
	answers, err := client.KeepAlive(ctx, lease.ID)
	check(err)
	for time.Since(begun) <= 2*granted {
		if answer, open := <-answers; !open || answer.TTL != lease.TTL {
			panic("the lease was lost")
		}
	}
	say("keys after its time", count(client, "/lease/"))
	letGo()
	gone.say("let go", 1)
}
