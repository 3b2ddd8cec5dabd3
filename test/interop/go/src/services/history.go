package main

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/etcdserver/api/v3rpc/rpctypes"
)

// history watches from past revisions, with each of the options.
func history(client *clientv3.Client) {
	section("watch history")
	ctx, cancel := context.WithCancel(background())
	defer cancel()
	first := put(client, "/history/a", "0")
	for i := 1; i < 5; i++ {
		put(client, "/history/a", fmt.Sprint(i))
	}
	_, err := client.Delete(ctx, "/history/a")
	check(err)

	past := watched{responses: client.Watch(ctx, "/history/", clientv3.WithPrefix(), clientv3.WithRev(first+1), clientv3.WithPrevKV())}
	past.say("past", 5)
	put(client, "/history/b", "now")
	past.say("live", 1)

	deletes := watched{responses: client.Watch(ctx, "/history/", clientv3.WithPrefix(), clientv3.WithRev(first), clientv3.WithFilterPut())}
	deletes.say("without puts", 1)

	section("created, progress")
	responses := client.Watch(ctx, "/history/a", clientv3.WithCreatedNotify(), clientv3.WithFragment())
	created := <-responses
	say("created", created.Created, created.Header.Revision-first)
	check(client.RequestProgress(ctx))
	progress := <-responses
	say("progress", progress.IsProgressNotify(), progress.Header.Revision-first)

	section("compacted history")
	_, err = client.Compact(ctx, first+4, clientv3.WithCompactPhysical())
	check(err)
	late := <-client.Watch(ctx, "/history/a", clientv3.WithRev(first+2))
	expectRefusal("watch", late.Err())
	say("compacted", late.Canceled, late.CompactRevision-first)
	_, open := <-client.Watch(ctx, "/history/a", clientv3.WithRev(first+2))
	say("said before it ends", open)
	_, err = client.Get(ctx, "/history/a", clientv3.WithRev(first+2))
	expectRefusal("get", err)
	say("as a Go error", err == rpctypes.ErrCompacted)
	kept := watched{responses: client.Watch(ctx, "/history/a", clientv3.WithRev(first+4))}
	kept.say("from the compaction on", 2)

	section("cancel")
	brief, end := context.WithCancel(ctx)
	ended := client.Watch(brief, "/history/c")
	end()
	_, open = <-ended
	say("open", open)
	put(client, "/history/d", "")
	past.say("the others go on", 1)
}
