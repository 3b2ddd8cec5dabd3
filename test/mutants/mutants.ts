// Mistakes that somebody could make in the code of consensus, storage and users, each with the tests that must detect it.

/** A test file, or the whole-cluster simulator. */
export type Check =
  | { readonly kind: "test"; readonly file: string }
  | {
      readonly kind: "simulation";
      /** The first seed that detected the mutant when this was written; it is tried first. */
      readonly seed: number | undefined;
    };

/** A change to one place of the product. */
export interface Edit {
  readonly file: string;
  /** Text that occurs exactly once. When the code changes, the run fails until the snippet is changed, too. */
  readonly snippet: string;
  readonly replacement: string;
}

export interface Mutant extends Edit {
  /** The mistake. */
  readonly name: string;
  /** Further mistakes, if the code elsewhere makes up for a single one. */
  readonly also?: readonly Edit[];
  /** Checks that detect the mutant. Only the first is run: the cheapest, or the one to be shown to detect it. */
  readonly caughtBy: readonly Check[];
}

const scenarios: Check = { kind: "test", file: "test/scenarios/scenarios.test.ts" };
const test = (file: string): Check => ({ kind: "test", file: `test/${file}.test.ts` });
const directoryCrashes = test("server/data-dir/data-dir-crashes");
const simulation = (seed?: number): Check => ({ kind: "simulation", seed });

export const mutants: readonly Mutant[] = [
  // Votes and terms. Raft paper §5.2, §5.4.1.
  {
    name: "a vote is given before it is durable",
    file: "raft/core/outbox.ts",
    snippet:
      "send(to: MemberId, message: PeerMessage): void {\n    (this.isHardStateDurable ? this.messages : this.replies)",
    replacement:
      'send(to: MemberId, message: PeerMessage): void {\n    (this.isHardStateDurable || message.kind === "voteReply" ? this.messages : this.replies)',
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "a vote is asked for before its term is durable",
    file: "raft/core/outbox.ts",
    snippet:
      "send(to: MemberId, message: PeerMessage): void {\n    (this.isHardStateDurable ? this.messages : this.replies)",
    replacement:
      'send(to: MemberId, message: PeerMessage): void {\n    (this.isHardStateDurable || message.kind === "vote" ? this.messages : this.replies)',
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "a member votes twice in one term",
    file: "raft/core/elections.ts",
    snippet:
      "return this.current.vote === candidate || (this.current.vote === noMember && this.leaderOfTerm === noMember);",
    replacement: "return this.current.vote === candidate || this.leaderOfTerm === noMember;",
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "a vote for a candidate whose log is older",
    file: "raft/core/elections.ts",
    snippet: "const granted = isCurrent && upToDate && this.canVoteFor(from);",
    replacement: "const granted = isCurrent && this.canVoteFor(from);",
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "half of the members are a majority",
    file: "raft/core/quorum.ts",
    snippet: "Math.floor(members / 2) + 1",
    replacement: "Math.floor((members + 1) / 2) - (members > 3 ? 1 : 0)",
    caughtBy: [simulation(1)],
  },
  // The log. Raft paper §5.3, §5.4.2.
  {
    name: "an entry of an old term is committed by counting its copies",
    file: "raft/core/leadership.ts",
    snippet: "if (index <= this.log.commit || this.log.termAt(index) !== this.term) return;",
    replacement: "if (index <= this.log.commit) return;",
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "an append is acknowledged before it is synced",
    file: "raft/node.ts",
    snippet: "    this.isWriting = true;\n    const done",
    replacement: "    this.isWriting = true;\n    this.transport.send(unsaved.replies);\n    const done",
    caughtBy: [test("raft/driver"), simulation()],
  },
  {
    name: "the leader counts its own copy before it is durable",
    file: "raft/core/leadership.ts",
    snippet: "held[0] = this.log.savedIndex;",
    replacement: "held[0] = this.log.lastIndex;",
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "an append that comes late takes away what follows it",
    file: "raft/core/log.ts",
    snippet: "      if (own === entry.term) continue;\n",
    replacement: "",
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "a follower commits what the leader did not vouch for",
    file: "raft/core/core.ts",
    snippet: "this.log.commitTo(Math.min(append.commit, agreeAt) as LogIndex);",
    replacement: "this.log.commitTo(Math.min(append.commit, this.log.lastIndex) as LogIndex);",
    caughtBy: [scenarios],
  },
  {
    name: "a torn record is taken for whole",
    file: "raft/wal/record.ts",
    snippet: "if (incomplete !== undefined) return incomplete;",
    replacement: "",
    caughtBy: [test("raft/wal/crash"), simulation()],
  },
  // Reads. Raft thesis §6.4.
  {
    name: "a read is answered without a quorum round",
    file: "raft/core/read-rounds.ts",
    snippet: "if (oldest === undefined || oldest.round > round) return undefined;",
    replacement: "if (oldest === undefined) return undefined;",
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "a read is confirmed by the round before its own",
    file: "raft/core/read-rounds.ts",
    snippet: "oldest.round > round) return undefined;",
    replacement: "oldest.round > round + 1) return undefined;",
    caughtBy: [simulation(13), scenarios],
  },
  {
    name: "a new leader answers reads before it knows what is committed",
    file: "raft/core/leadership.ts",
    snippet: "return this.log.termAt(this.log.commit) === this.term;",
    replacement: "return true;",
    caughtBy: [scenarios, simulation()],
  },
  {
    name: "a read is answered before this member has applied what it must see",
    file: "server/replication/reads.ts",
    snippet: "this.log.callWhenApplied(index, () => {",
    replacement: "((_index: unknown, callback: () => void) => callback())(index, () => {",
    caughtBy: [test("server/replication/reads"), simulation()],
  },
  // The state machine.
  {
    name: "the applied marker is written outside the batch",
    file: "store/persist/write-behind.ts",
    snippet: "next.putState(this.tables);",
    replacement:
      "const state = new Gathering(this.backend.batch());\n    state.round = next.round;\n    state.putState(this.tables);\n    state.batch.write().catch(() => undefined);",
    caughtBy: [test("store/persist/write-behind"), simulation()],
  },
  {
    name: "the state of a round changes with what is applied later",
    file: "server/replication/apply/seen-proposals.ts",
    snippet: "return this.seen.slice(from, to);",
    replacement: "return this.seen.subarray(from, to);",
    caughtBy: [test("server/replication/apply/seen-proposals"), test("server/replication/apply/applier")],
  },
  {
    name: "a repeated proposal is applied again",
    file: "server/replication/apply/applier.ts",
    snippet:
      "if (command === undefined || !this.seen.admit({ member, incarnation, sequence, floor })) return undefined;",
    replacement:
      "if (command === undefined) return undefined;\n    this.seen.admit({ member, incarnation, sequence, floor });",
    caughtBy: [test("server/replication/apply/applier"), simulation()],
  },
  // Leases.
  {
    // Each of the two checks makes up for the other: an expiry is sent to no second leader, and has no effect in a later term.
    name: "a deposed leader ends leases",
    file: "server/replication/apply/commands/lease.ts",
    snippet: "if (value.term === BigInt(term))\n    for (const { id, generation } of value.leases) {",
    replacement: "if (value.term <= BigInt(term))\n    for (const { id, generation } of value.leases) {",
    also: [
      {
        file: "server/replication/proposals.ts",
        snippet: "isSentOnce: decisionsOfOneLeader.has(command.$case),",
        replacement: "isSentOnce: false,",
      },
    ],
    caughtBy: [test("server/replication/apply/applier"), simulation()],
  },
  {
    name: "a key that gets another lease still ends with the former",
    file: "store/mvcc/leases.ts",
    snippet: "if (from !== noLease) this.entries.get(from)?.keys.delete(key);",
    replacement: "",
    caughtBy: [simulation(1), test("store/mvcc/leases")],
  },
  {
    name: "a key that gets another lease does not end with it",
    file: "store/mvcc/leases.ts",
    snippet: "if (to !== noLease) this.entries.get(to)?.keys.add(key);",
    replacement: "if (from === noLease && to !== noLease) this.entries.get(to)?.keys.add(key);",
    caughtBy: [simulation(2), test("store/mvcc/leases")],
  },
  {
    name: "a key that lost its lease has it again after a restart",
    file: "store/mvcc/leases.ts",
    snippet: "else if (this.leaseOf.size > 0) this.leaseOf.delete(key);",
    replacement: "",
    caughtBy: [simulation(1), test("store/mvcc/leases")],
  },
  {
    name: "a new leader gives leases no full time",
    file: "server/lease/lease-term.ts",
    snippet: "this.leases.set(lease.id, timedLeaseOf(lease, now + graceMs, now));",
    replacement: "this.leases.set(lease.id, timedLeaseOf(lease, now - lease.ttlSeconds * 500, now));",
    caughtBy: [test("server/lease/lease-keeper"), simulation()],
  },
  {
    name: "a keep-alive is answered by a leader that no quorum has confirmed",
    file: "server/lease/lease-calls.ts",
    snippet: "this.reads.startRead(read);",
    replacement: "read.onReady();",
    caughtBy: [test("server/lease/lease-calls"), simulation()],
  },
  // Watches.
  {
    name: "an event is lost where a watch goes over from history to what happens",
    file: "store/watch/watch-catch-up.ts",
    snippet: "if (through < this.present().revision) {",
    replacement: "if (through + 1 < this.present().revision) {",
    caughtBy: [test("property/watch"), simulation()],
  },
  // Snapshots. Raft paper §7.
  {
    name: "a snapshot is switched to before it is synced",
    file: "store/persist/store-builder.ts",
    snippet: "    await batch.write();\n",
    replacement: "    batch.write().catch(() => undefined);\n",
    caughtBy: [directoryCrashes],
  },
  {
    name: "the log is cut beyond what the store holds durably",
    file: "server/snapshots/log-truncation.ts",
    snippet: "    await this.store.flush();\n",
    replacement: "",
    caughtBy: [test("server/snapshots/log-truncation"), simulation()],
  },
  {
    name: "a log that holds the snapshot's last entry loses what follows it",
    file: "raft/core/installer.ts",
    snippet: "    if (this.log.termAt(position.index) === position.term) this.log.commitTo(position.index);\n",
    replacement: "",
    caughtBy: [scenarios, test("sim/core")],
  },
  {
    name: "a log that a snapshot is about to replace still grows",
    file: "raft/core/core.ts",
    snippet: "this.elections.followLeader(from, append.term);\n    if (this.installer.isUnderWay) return;",
    replacement: "this.elections.followLeader(from, append.term);",
    caughtBy: [scenarios, test("sim/core")],
  },
  // A member rebuilt from all the others.
  {
    name: "a rebuilt member goes on in a term in which it may have voted",
    file: "raft/core/rebuild.ts",
    snippet: "(highest + 1)",
    replacement: "highest",
    caughtBy: [test("raft/core/rebuild")],
  },
  {
    name: "a rebuilt member gets the longest log, whatever its last term",
    file: "raft/core/rebuild.ts",
    snippet: "a.term === b.term ? a.index > b.index : a.term > b.term",
    replacement: "a.index > b.index",
    caughtBy: [test("raft/core/rebuild"), test("sim/core")],
  },
  // The member's directory. Names and bytes that were not synced may be lost in a power cut.
  {
    name: "a small file (store-current) has its name before its text is durable",
    file: "platform/durable-file.ts",
    snippet: "await toPromise((done) => file.write(new TextEncoder().encode(text), 0, done));",
    replacement: "file.write(new TextEncoder().encode(text), 0, () => undefined);",
    caughtBy: [directoryCrashes],
  },
  {
    name: "a small file (store-current) is replaced without its directory's sync",
    file: "platform/durable-file.ts",
    snippet: "  await toPromise((done) => disk.syncDirectory(dirname(path), done));\n",
    replacement: "",
    caughtBy: [directoryCrashes, simulation()],
  },
  {
    name: "a new store's own name may come after the store-current that names it",
    file: "server/data-dir/data-dir.ts",
    snippet: "    await syncDirectory(this.disk, this.files.member);\n",
    replacement: "",
    caughtBy: [directoryCrashes],
  },
  {
    name: "the names of a new store's files may come after the store-current that names it",
    file: "server/data-dir/data-dir.ts",
    snippet: "    await syncDirectory(this.disk, path);\n",
    replacement: "",
    caughtBy: [directoryCrashes, simulation()],
  },
  {
    name: "a start believes a store-current whose name is not durable",
    file: "server/data-dir/data-dir.ts",
    snippet: "        await syncDirectory(disk, files.member);\n",
    replacement: "",
    caughtBy: [directoryCrashes],
  },
  {
    name: "what a store-current replaced is removed before that is durable",
    file: "server/snapshots/new-store.ts",
    snippet: "() => directory.useStore(path, state));",
    replacement: "() => (void directory.useStore(path, state), Promise.resolve()));",
    caughtBy: [directoryCrashes, simulation()],
  },
  {
    name: "a member's directory is made in one whose name is not durable",
    file: "platform/disk.ts",
    snippet: '    await syncName().catch(ignoreCodes("EACCES", "EPERM"));\n',
    replacement: "",
    caughtBy: [directoryCrashes],
  },
  // Users.
  {
    name: "the rights of a user are not checked where a change is applied",
    file: "server/replication/apply/commands/access.ts",
    snippet: '  check?.(new Rights(state.auth, user?.name === "" ? undefined : user), command.value, state);',
    replacement: "  void [check, Rights, state];",
    caughtBy: [simulation(2)],
  },
  {
    name: "a change is applied for a user who was known at an older revision",
    file: "server/auth/rights.ts",
    snippet: "if (revision < this.state.revision)",
    replacement: "if (revision < 0n)",
    caughtBy: [simulation(2)],
  },
  {
    name: "a change is applied without a look at the rights of its user",
    file: "server/replication/apply/commands/commands.ts",
    snippet: "  if (state.auth.isEnabled) checkAccess(command, state, user);\n",
    replacement: "  void checkAccess;\n",
    caughtBy: [test("server/app/authorization-leases"), simulation(2)],
  },
  {
    name: "the tokens of a deleted user stay valid",
    file: "server/replication/apply/commands/auth.ts",
    snippet: "  tokens.dropUser(name);\n",
    replacement: "  void [name, tokens];\n",
    caughtBy: [test("server/app/authorization-leases")],
  },
  {
    name: "the tokens of a user outlive its password",
    file: "server/replication/apply/commands/auth.ts",
    snippet: "  tokens.dropUser(request.name);\n",
    replacement: "  void tokens;\n",
    caughtBy: [test("server/app/authorization")],
  },
  {
    name: "the tokens of a user outlive the snapshot without it",
    file: "server/replication/apply/applier.ts",
    snippet: "        dropReplacedTokens(this.tokens, this.authState, state.auth);\n",
    replacement: "        void dropReplacedTokens;\n",
    caughtBy: [test("server/replication/apply/applier")],
  },
  // Quota and alarms.
  {
    name: "a put is carried out under the alarm NOSPACE",
    file: "server/replication/apply/commands/alarm.ts",
    snippet: 'if (kind === "put" || kind === "leaseGrant") return true;',
    replacement: 'if (kind === "leaseGrant") return true;',
    caughtBy: [test("server/replication/apply/applier"), simulation(3)],
  },
  {
    name: "a put in the second branch of a transaction is carried out under the alarm NOSPACE",
    file: "server/replication/apply/commands/alarm.ts",
    snippet: "success.some(isPut) || failure.some(isPut)",
    replacement: "success.some(isPut) || (success.length === 0 && failure.some(isPut))",
    caughtBy: [test("server/replication/apply/applier")],
  },
  {
    name: "a deletion is refused under the alarm NOSPACE",
    file: "server/replication/apply/commands/alarm.ts",
    snippet: 'if (kind === "put" || kind === "leaseGrant") return true;',
    replacement: 'if (kind === "put" || kind === "deleteRange" || kind === "leaseGrant") return true;',
    caughtBy: [test("server/replication/apply/applier")],
  },
  {
    name: "an expiry is carried out under the alarm CORRUPT",
    file: "server/replication/apply/commands/alarm.ts",
    snippet: '  "leaseExpiry",\n',
    replacement: "",
    caughtBy: [test("server/replication/apply/applier")],
  },
  {
    name: "a snapshot leaves the alarms as they were",
    file: "server/replication/apply/applier.ts",
    snippet: "        this.activeAlarms = state.alarms;\n        drop",
    replacement: "        drop",
    caughtBy: [test("server/replication/apply/applier")],
  },
  {
    name: "a full store refuses a put and raises no alarm",
    file: "server/replication/space-quota.ts",
    snippet: "    await this.raiseAlarm();\n",
    replacement: "    void this.raiseAlarm;\n",
    caughtBy: [test("server/replication/space-quota")],
  },
  {
    name: "a put beyond the quota is proposed",
    file: "server/replication/space-quota.ts",
    snippet: "return this.sizeBytes + cost < this.limitBytes;",
    replacement: "return this.sizeBytes < this.limitBytes + cost;",
    caughtBy: [test("server/replication/space-quota")],
  },
  // Checkpoints of leases.
  {
    name: "a new leader gives leases their full time, whatever their last checkpoint",
    file: "server/lease/lease-term.ts",
    snippet: "from + (remainingSeconds ?? ttlSeconds) * 1_000",
    replacement: "from + (ttlSeconds + 0 * (remainingSeconds ?? 0)) * 1_000",
    caughtBy: [test("server/lease/lease-checkpoints"), simulation(8)],
  },
  {
    name: "a renewal is promised before its checkpoint is taken back",
    file: "server/lease/lease-keeper.ts",
    snippet: "this.clearCheckpoint(current, lease, (isCleared) => answer(isCleared ? seconds : undefined));",
    replacement: "this.clearCheckpoint(current, lease, () => undefined), answer(seconds);",
    caughtBy: [test("server/lease/lease-checkpoints")],
  },
  {
    name: "a checkpoint counts in a later term",
    file: "server/replication/apply/commands/lease.ts",
    snippet: "if (value.term === BigInt(term))\n    for (const { id, generation, seconds } of value.leases) {",
    replacement: "if (value.term <= BigInt(term))\n    for (const { id, generation, seconds } of value.leases) {",
    caughtBy: [test("server/replication/apply/applier")],
  },
  {
    name: "a checkpoint counts for a later lease with the same id",
    file: "server/replication/apply/commands/lease.ts",
    snippet: "if (store.lease(lease)?.generation === Number(generation))\n        store.checkpointLease",
    replacement: "if (store.lease(lease) !== undefined && generation >= 0n)\n        store.checkpointLease",
    caughtBy: [test("server/replication/apply/applier")],
  },
  {
    name: "a new leader begins the time of leases before it has applied its predecessor's entries",
    file: "server/lease/lease-keeper.ts",
    snippet: "if (this.current !== undefined || term === undefined || this.appliedTerm !== term) return;",
    replacement: "if (this.current !== undefined || term === undefined) return;",
    caughtBy: [test("server/lease/lease-checkpoints")],
  },
  // Transactions.
  {
    name: "a put of a transaction looks at its key before its lease",
    file: "store/mvcc/txn.ts",
    snippet: "  leases.check(leaseIdFrom(request.lease));\n  if (request.ignoreValue",
    replacement:
      "  if (!request.ignoreValue && !request.ignoreLease) leases.check(leaseIdFrom(request.lease));\n  if (request.ignoreValue",
    caughtBy: [test("store/mvcc/txn")],
  },
  {
    name: "the operations of a transaction are checked puts first",
    file: "store/mvcc/txn.ts",
    snippet: '    else if (op.kind === "range") checkRange(op.request, before);\n  });',
    replacement:
      '  });\n  forEachOp(plan, (op) => {\n    if (op.kind === "range") checkRange(op.request, before);\n  });',
    caughtBy: [test("store/mvcc/txn")],
  },
  {
    name: "a transaction that only reads sees part of a write in progress",
    file: "store/mvcc/txn.ts",
    snippet: "  return write.hasChanged ? write.revision : before.revision;\n",
    replacement: "  return write.revision;\n",
    caughtBy: [test("store/sliced-writes"), test("property/store")],
  },
];
