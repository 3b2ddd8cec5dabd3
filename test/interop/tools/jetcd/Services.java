import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.election.CampaignResponse;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.election.NoLeaderException;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.watch.WatchEvent;
import io.etcd.jetcd.watch.WatchResponse;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

/**
 * Uses jetcd over mutual TLS: {@code Services ENDPOINT CA CERT KEY SLOWNESS}.
 *
 * <p>Prints every step; on a fresh cluster, its output is the same with every server that has etcd's API.
 */
public final class Services {
  private static final int PATIENCE_SECONDS = 20;
  private static double slowness;

  private Services() {}

  public static void main(String[] args) throws Exception {
    slowness = Double.parseDouble(args[4]);
    try (Client one = connect(args); Client other = connect(args)) {
      keys(one.getKVClient());
      transactions(one.getKVClient());
      watches(one, other.getKVClient());
      leases(one);
      locks(one, other);
      elections(one, other);
      cluster(one, args[0]);
    }
    section("done");
    System.exit(0); // jetcd's threads may outlive its clients
  }

  private static Client connect(String[] args) throws Exception {
    return Client.builder()
        .endpoints(args[0])
        .sslContext(ssl -> ssl.trustManager(new File(args[1])).keyManager(new File(args[2]), new File(args[3])))
        .build();
  }

  private static void keys(KV kv) throws Exception {
    section("keys");
    say("put at", await(kv.put(bytes("/keys/a"), bytes("1"))).getHeader().getRevision());
    var before = await(kv.put(bytes("/keys/a"), bytes("2"), PutOption.builder().withPrevKV().build()));
    say("before", show(before.getPrevKv()));
    await(kv.put(bytes("/keys/b"), bytes("x".repeat(1_000_000))));
    var prefix = GetOption.builder().isPrefix(true).withSortOrder(GetOption.SortOrder.DESCEND).withKeysOnly(true).build();
    for (KeyValue each : await(kv.get(bytes("/keys/"), prefix)).getKvs()) say("of the prefix", show(each));
    say("large", await(kv.get(bytes("/keys/b"))).getKvs().get(0).getValue().size());
    var past = GetOption.builder().withRevision(2).build();
    say("at a revision", show(await(kv.get(bytes("/keys/a"), past)).getKvs().get(0)));
    expectRefusal("get of the future", kv.get(bytes("/keys/a"), GetOption.builder().withRevision(1_000_000).build()));
    expectRefusal("put without a key", kv.put(bytes(""), bytes("")));
    say("deleted", await(kv.delete(bytes("/keys/"), DeleteOption.builder().isPrefix(true).build())).getDeleted());
    say("compacted at", await(kv.compact(3)).getHeader().getRevision());
    expectRefusal("compaction once more", kv.compact(3));
  }

  private static void transactions(KV kv) throws Exception {
    section("transactions");
    ByteSequence key = bytes("/txn");
    for (int n = 0; n < 2; n++) {
      var answer = await(kv.txn()
          .If(new Cmp(key, Cmp.Op.EQUAL, CmpTarget.version(0)))
          .Then(Op.put(key, bytes("1"), PutOption.DEFAULT), Op.get(key, GetOption.DEFAULT))
          .Else(Op.get(key, GetOption.DEFAULT), Op.delete(key, DeleteOption.DEFAULT))
          .commit());
      say(answer.isSucceeded(), answer.getPutResponses().size(), show(answer.getGetResponses().get(0).getKvs().get(0)));
    }
  }

  private static void watches(Client client, KV writer) throws Exception {
    section("watches");
    BlockingQueue<WatchResponse> responses = new LinkedBlockingQueue<>();
    long next = await(writer.put(bytes("/watch"), bytes(""))).getHeader().getRevision() + 1;
    var from = WatchOption.builder().isPrefix(true).withPrevKV(true).withRevision(next).build();
    try (Watch.Watcher watcher = client.getWatchClient().watch(bytes("/watched/"), from, Watch.listener(responses::add))) {
      await(writer.put(bytes("/watched/a"), bytes("1")));
      await(writer.put(bytes("/watched/a"), bytes("2")));
      await(writer.delete(bytes("/watched/a")));
      for (int n = 0; n < 3; ) {
        for (WatchEvent event : responses.poll(seconds(), TimeUnit.SECONDS).getEvents()) {
          say("event", event.getEventType(), show(event.getKeyValue()), show(event.getPrevKV()));
          n++;
        }
      }
    }
    CompletableFuture<Throwable> end = new CompletableFuture<>();
    var compacted = WatchOption.builder().withRevision(1).build();
    client.getWatchClient().watch(bytes("/watched/a"), compacted, Watch.listener(responses::add, end::complete));
    say("watch of compacted history", await(end).getMessage());
  }

  private static void leases(Client client) throws Exception {
    section("leases");
    KV kv = client.getKVClient();
    long lease = await(client.getLeaseClient().grant(60)).getID();
    await(kv.put(bytes("/lease/a"), bytes("1"), PutOption.builder().withLeaseId(lease).build()));
    BlockingQueue<Long> kept = new LinkedBlockingQueue<>();
    try (var alive = client.getLeaseClient().keepAlive(lease, keepAlives(kept))) {
      say("kept alive", kept.poll(seconds(), TimeUnit.SECONDS));
    }
    var info = await(client.getLeaseClient().timeToLive(lease, LeaseOption.builder().withAttachedKeys().build()));
    say("info", info.getGrantedTTL(), info.getTTL() > 0, info.getKeys());
    await(client.getLeaseClient().revoke(lease));
    say("left", await(kv.get(bytes("/lease/a"))).getCount());
    expectRefusal("revoke once more", client.getLeaseClient().revoke(lease));
  }

  private static StreamObserver<io.etcd.jetcd.lease.LeaseKeepAliveResponse> keepAlives(BlockingQueue<Long> kept) {
    return new StreamObserver<>() {
      @Override
      public void onNext(io.etcd.jetcd.lease.LeaseKeepAliveResponse answer) {
        kept.add(answer.getTTL());
      }

      @Override
      public void onError(Throwable error) {}

      @Override
      public void onCompleted() {}
    };
  }

  private static void locks(Client one, Client other) throws Exception {
    section("locks");
    long mine = await(one.getLeaseClient().grant(60)).getID();
    long theirs = await(other.getLeaseClient().grant(60)).getID();
    var held = await(one.getLockClient().lock(bytes("/lock"), mine)).getKey();
    say("key", held.toString().equals("/lock/" + Long.toHexString(mine)));
    var waiting = other.getLockClient().lock(bytes("/lock"), theirs);
    var prefix = GetOption.builder().isPrefix(true).withCountOnly(true).build();
    while (await(one.getKVClient().get(bytes("/lock/"), prefix)).getCount() < 2) Thread.onSpinWait();
    say("acquired by both", waiting.isDone());
    await(one.getLockClient().unlock(held));
    await(other.getLockClient().unlock(await(waiting).getKey()));
    say("left", await(one.getKVClient().get(bytes("/lock/"), prefix)).getCount());
    await(one.getLeaseClient().revoke(mine));
    await(other.getLeaseClient().revoke(theirs));
  }

  private static void elections(Client one, Client other) throws Exception {
    section("elections");
    ByteSequence name = bytes("/election");
    try {
      await(other.getElectionClient().leader(name));
      throw new AssertionError("there is a leader");
    } catch (ExecutionException error) {
      say("no leader", error.getCause() instanceof NoLeaderException);
    }
    long mine = await(one.getLeaseClient().grant(60)).getID();
    long theirs = await(other.getLeaseClient().grant(60)).getID();
    CampaignResponse first = await(one.getElectionClient().campaign(name, mine, bytes("one")));
    BlockingQueue<String> observed = new LinkedBlockingQueue<>();
    other.getElectionClient().observe(name, leaders(observed));
    say("observed", observed.poll(seconds(), TimeUnit.SECONDS));
    await(one.getElectionClient().proclaim(first.getLeader(), bytes("one, again")));
    say("observed", observed.poll(seconds(), TimeUnit.SECONDS));
    var second = other.getElectionClient().campaign(name, theirs, bytes("two"));
    await(one.getElectionClient().resign(first.getLeader()));
    say("elected", await(second).getLeader().getName());
    say("observed", observed.poll(seconds(), TimeUnit.SECONDS));
    await(other.getElectionClient().resign(await(second).getLeader()));
  }

  private static io.etcd.jetcd.Election.Listener leaders(BlockingQueue<String> observed) {
    return new io.etcd.jetcd.Election.Listener() {
      @Override
      public void onNext(LeaderResponse answer) {
        observed.add(answer.getKv().getValue().toString());
      }

      @Override
      public void onError(Throwable error) {}

      @Override
      public void onCompleted() {}
    };
  }

  private static void cluster(Client client, String endpoint) throws Exception {
    section("cluster");
    var members = await(client.getClusterClient().listMember()).getMembers();
    say("members", members.stream().map(each -> each.getName() + " " + each.getClientURIs().size()).collect(Collectors.toList()));
    var status = await(client.getMaintenanceClient().statusMember(endpoint));
    say("status", status.getDbSize() > 0, status.getLeader() == status.getHeader().getMemberId());
    say("hash", await(client.getMaintenanceClient().hashKV(endpoint, 0)).getHash() != 0);
    say("alarms", await(client.getMaintenanceClient().listAlarms()).getAlarms());
  }

  private static long seconds() {
    return (long) (PATIENCE_SECONDS * slowness);
  }

  private static <T> T await(CompletableFuture<T> future) throws InterruptedException, ExecutionException, TimeoutException {
    return future.get(seconds(), TimeUnit.SECONDS);
  }

  private static void expectRefusal(String what, CompletableFuture<?> future) throws Exception {
    try {
      await(future);
    } catch (ExecutionException error) {
      say(what, "refused:", error.getCause().getMessage());
      return;
    }
    throw new AssertionError(what + " was not refused");
  }

  private static ByteSequence bytes(String text) {
    return ByteSequence.from(text, StandardCharsets.UTF_8);
  }

  private static String show(KeyValue kv) {
    return kv.getKey() + "=" + kv.getValue() + " version " + kv.getVersion() + " at " + kv.getModRevision();
  }

  private static void section(String name) {
    say("==", name);
  }

  private static void say(Object... words) {
    System.out.println(java.util.Arrays.stream(words).map(String::valueOf).collect(Collectors.joining(" ")));
  }
}
