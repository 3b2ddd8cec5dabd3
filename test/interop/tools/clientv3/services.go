package main

import (
	"crypto/tls"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/naming/resolver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// services registers the server itself as a service, and calls it by its name.
func services(client *clientv3.Client, endpoint string, secure *tls.Config) {
	section("services")
	manager := must(endpoints.NewManager(client, "service"))
	changes := must(manager.NewWatchChannel(ctx))
	lease := must(client.Grant(ctx, sessionTTL))
	server := endpoints.Endpoint{Addr: strings.TrimPrefix(endpoint, "https://"), Metadata: "zone 1"}
	check(manager.AddEndpoint(ctx, "service/a", server, clientv3.WithLease(lease.ID)))
	change := (<-changes)[0]
	say("change", change.Op, change.Key, change.Endpoint.Addr == server.Addr, change.Endpoint.Metadata)

	names := must(resolver.NewBuilder(client))
	name := grpc.WithAuthority("localhost") // the name in the certificate
	connection := must(grpc.NewClient("etcd:///service", name, grpc.WithResolvers(names), grpc.WithTransportCredentials(credentials.NewTLS(secure))))
	answer := must(pb.NewKVClient(connection).Range(ctx, &pb.RangeRequest{Key: []byte("service/a")}))
	say("called by name", len(answer.Kvs))
	check(connection.Close())

	must(client.Revoke(ctx, lease.ID))
	change = (<-changes)[0]
	say("change", change.Op, change.Key)
	say("left", len(must(manager.List(ctx))))
}
