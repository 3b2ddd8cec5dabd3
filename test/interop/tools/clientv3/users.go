package main

import (
	"crypto/tls"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// user acts as a user who may read and write the keys that begin with a slash, and nothing else.
func user(endpoint string, secure *tls.Config, name, password string) {
	section("logins")
	config := clientv3.Config{Endpoints: []string{endpoint}, TLS: secure, Username: name, Password: "wrong"}
	_, err := clientv3.New(config)
	expectRefusal("login", err)
	config.Password = password
	one, other := must(clientv3.New(config)), must(clientv3.New(config))
	config.Username = ""
	nobody := must(clientv3.New(config))
	_, err = nobody.Get(ctx, "/a")
	expectRefusal("nobody's get", err)

	section("rights")
	responses := other.Watch(ctx, "/a", clientv3.WithCreatedNotify())
	say("created", (<-responses).Created)
	must(one.Put(ctx, "/a", "1"))
	say("event", string((<-responses).Events[0].Kv.Value))
	_, err = one.Put(ctx, "a", "1")
	expectRefusal("put", err)
	say("as etcd's error", err == rpctypes.ErrPermissionDenied)
	_, err = one.Get(ctx, "", clientv3.WithFromKey())
	expectRefusal("get", err)
	_, err = one.Txn(ctx).Then(clientv3.OpPut("/a", "2"), clientv3.OpGet("a")).Commit()
	expectRefusal("txn", err)
	say("unchanged", string(must(one.Get(ctx, "/", clientv3.WithPrefix())).Kvs[0].Value))
	denied := <-one.Watch(ctx, "a", clientv3.WithPrefix())
	say("watch", denied.Canceled, denied.Err())
	_, err = one.UserAdd(ctx, "more", "p")
	expectRefusal("user add", err)
	_, err = one.Status(ctx, endpoint)
	say("status", err)
	_, err = one.Defragment(ctx, endpoint)
	expectRefusal("defragment", err)
	say("own roles", must(one.UserGet(ctx, name)).Roles)

	leases(one)
	locks(one, other)
	elections(one, other)
	transactions(one, other)
	barriers(one, other)
	readersAndWriters(one, other)

	section("recipes without rights")
	session := newSession(one)
	expectRefusal("lock", concurrency.NewMutex(session, "lock").Lock(ctx))
	expectRefusal("campaign", concurrency.NewElection(session, "election").Campaign(ctx, "1"))
	check(session.Close())
	for _, client := range []*clientv3.Client{one, other, nobody} {
		check(client.Close())
	}
}
