package main

import (
	"fmt"

	"go.etcd.io/etcd/clientv3"
)

// Seconds that are enough for an election, and for the client to find another member.
var serviceTTL int

// discovery is a gateway that finds its services by their keys, and one service that stays registered to the end.
type discovery struct {
	client  *clientv3.Client
	changes *watched
	stays   *service
}

// service is registered while its lease is kept alive.
type service struct {
	client *clientv3.Client
	key    string
	lease  clientv3.LeaseID
	// Closed when the lease is lost or given up.
	lost <-chan struct{}
}

func register(client *clientv3.Client, name, address string) *service {
	lease, err := client.Grant(background(), int64(serviceTTL))
	check(err)
	s := &service{client: client, key: "/services/" + name, lease: lease.ID}
	s.at(address)
	answers, err := client.KeepAlive(background(), lease.ID)
	check(err)
	lost := make(chan struct{})
	s.lost = lost
	go func() {
		for range answers {
		}
		close(lost)
	}()
	return s
}

func (s *service) at(address string) { put(s.client, s.key, address, clientv3.WithLease(s.lease)) }

func (s *service) isAlive() bool {
	select {
	case <-s.lost:
		return false
	default:
		return true
	}
}

func (s *service) leave() {
	_, err := s.client.Revoke(background(), s.lease)
	check(err)
	<-s.lost
}

func startDiscovery(services, gateway *clientv3.Client) *discovery {
	section("discovery")
	stays := register(services, "a", "10.0.0.1:80")
	there, err := gateway.Get(background(), "/services/", clientv3.WithPrefix())
	check(err)
	for _, kv := range there.Kvs {
		say("exists", fmt.Sprintf("%q : %q", kv.Key, kv.Value))
	}
	from := clientv3.WithRev(there.Header.Revision + 1)
	responses := gateway.Watch(background(), "/services/", clientv3.WithPrefix(), from, clientv3.WithPrevKV())
	d := &discovery{gateway, &watched{responses: responses}, stays}

	leaves := register(services, "b", "10.0.0.2:80")
	d.changes.say("change", 1)
	leaves.at("10.0.0.3:80")
	d.changes.say("change", 1)
	leaves.leave()
	d.changes.say("change", 1)

	pause(gateway)
	comes := register(services, "c", "10.0.0.4:80")
	d.changes.say("change", 1)
	comes.leave()
	d.changes.say("change", 1)
	return d
}

// finish checks that the remaining service was registered all the time: the next change is its end.
func (d *discovery) finish() {
	section("discovery, to the end")
	say("still alive", d.stays.isAlive())
	info, err := d.client.TimeToLive(background(), d.stays.lease)
	check(err)
	say("granted, and some is left", info.GrantedTTL, info.TTL > 0)
	d.stays.leave()
	d.changes.say("change", 1)
}
