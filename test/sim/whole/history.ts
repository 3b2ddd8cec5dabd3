// The history of the cluster as the members apply it: each log entry, its changes, and their revision.

import assert from "node:assert/strict";
import {
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RawDeleteRangeResponse,
  RawPutResponse,
  RangeRequest,
  RangeResponse,
  RawRangeResponse,
  RawTxnResponse,
  TxnRequest,
  TxnResponse,
} from "../../../proto/index.js";
import type { Entry, LogIndex, Term } from "../../../raft/index.js";
import type { Replica } from "../../../server/member/replica.js";
import { StoreError, type KvStore, type Lease, type Sliced, type StoreErrorCode } from "../../../store/index.js";
import { assertSame } from "./same.js";
import { CopyingStore, dataOf, type NaiveChange, Refused } from "../../../testing/index.js";

type Write =
  | { readonly kind: "put"; readonly request: PutRequest }
  | { readonly kind: "deleteRange"; readonly request: DeleteRangeRequest }
  | { readonly kind: "txn"; readonly request: TxnRequest }
  | { readonly kind: "grantLease"; readonly lease: Lease }
  | { readonly kind: "revokeLease"; readonly id: bigint }
  | { readonly kind: "compact"; readonly revision: number };

/** The effect of an entry on the store. */
export interface Effect {
  readonly index: LogIndex;
  readonly term: Term;
  readonly write: Write;
  /** Text that is equal for equal writes; clients make theirs unique. */
  readonly identity: string;
  /** The store's revision after the entry. */
  readonly revision: number;
  /** Whether the entry made that revision. */
  readonly isChange: boolean;
  /** The reason if it changed nothing. */
  readonly refusal: StoreErrorCode | undefined;
  /** The answer that the client must get, without the header. */
  readonly response: unknown;
  /** The time at which the first member applied it. */
  readonly at: number;
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** The fields of a write that identify it; a lease is identified by its id. */
type Identified =
  Exclude<Write, { kind: "grantLease" }> | { readonly kind: "grantLease"; readonly lease: Pick<Lease, "id"> };

export const identityOf = (write: Identified): string => {
  switch (write.kind) {
    case "put":
      return `put ${latin1(PutRequest.encode(write.request).finish())}`;
    case "deleteRange":
      return `deleteRange ${latin1(DeleteRangeRequest.encode(write.request).finish())}`;
    case "txn":
      return `txn ${latin1(TxnRequest.encode(write.request).finish())}`;
    case "grantLease":
      return `grantLease ${write.lease.id}`;
    case "revokeLease":
      return `revokeLease ${write.id}`;
    case "compact":
      return `compact ${write.revision}`;
  }
};

/** A write as a member's store executed it. */
interface Done {
  readonly write: Write;
  readonly identity: string;
  readonly revision: number;
  readonly refusal: StoreErrorCode | undefined;
  /** The store's answer, decoded when it is needed. */
  readonly response: (() => unknown) | undefined;
}

/**
 * The history of the cluster. The first member that applies an entry adds it, and its effects are compared with those of a store that is
 * obviously right. All other members, and the same member after a restart, must have the same effects.
 */
export class History {
  /** The model, which is simple and keeps all revisions, so it gets no compactions. */
  readonly model = new CopyingStore();
  /** The highest revision to which any member has applied a compaction. */
  compactRevision = -1;
  /** Number of snapshots that members installed. */
  installs = 0;
  private readonly entries = new Map<LogIndex, Entry>();
  private readonly effects = new Map<LogIndex, readonly Effect[]>();
  private readonly byIdentity = new Map<string, Effect[]>();
  /** The revision after each entry. */
  private readonly revisions = new Map<number, number>();
  private end = 0;
  private readonly listeners: ((effect: Effect) => void)[] = [];
  private readonly entryListeners: ((name: string, entry: Entry) => void)[] = [];

  /** @param judge runs a check inside a member's code, and keeps its failure away from the member */
  constructor(
    private readonly now: () => number,
    private readonly judge: (check: () => void) => void,
  ) {}

  /** The last entry that any member has applied. */
  get lastIndex(): number {
    return this.end;
  }

  /** The newest revision of all members. */
  get revision(): number {
    return this.model.revision;
  }

  effectsOf(identity: string): readonly Effect[] {
    return this.byIdentity.get(identity) ?? [];
  }

  /** Calls back with each effect, when the first member applies it. */
  onEffect(listener: (effect: Effect) => void): void {
    this.listeners.push(listener);
  }

  /** Calls back with each entry, and the member that is the first to apply it. */
  onEntry(listener: (name: string, entry: Entry) => void): void {
    this.entryListeners.push(listener);
  }

  changesOf(revision: number): readonly NaiveChange[] {
    return this.model.changesOf(revision);
  }

  /** Returns the result of a read at a revision. */
  rangeAt(revision: number, request: RangeRequest): RangeResponse {
    return this.model.range({ ...request, revision: BigInt(revision) });
  }

  /** Records the entries that a member applies. */
  observe(name: string, { applier, store }: Replica): void {
    let current: Done[] = [];
    const byIndex = new Map<LogIndex, Done[]>();
    /** Returns functions that note the outcome of a write. */
    const beginNote = (write: Write) => {
      const index = (applier.appliedIndex + 1) as LogIndex; // the entry that is being applied
      current = byIndex.get(index) ?? [];
      byIndex.set(index, current);
      const identity = identityOf(write);
      const noteEnd = (refusal: StoreErrorCode | undefined, response: (() => unknown) | undefined): void =>
        void current.push({ write, identity, revision: store.revision, refusal, response });
      return {
        succeed: <Result>(result: Result, response?: (result: Result) => unknown): Result => {
          noteEnd(undefined, response && ((): unknown => response(result)));
          return result;
        },
        fail: (error: unknown): never => {
          if (error instanceof StoreError) noteEnd(error.code, undefined);
          throw error;
        },
      };
    };
    const note = <Result>(write: Write, run: () => Result, response?: (result: Result) => unknown): Result => {
      const { succeed, fail } = beginNote(write);
      let result: Result;
      try {
        result = run();
      } catch (error) {
        return fail(error);
      }
      return succeed(result, response);
    };
    /** Notes a write that is done in slices. */
    function* noteSliced<Result>(
      write: Write,
      work: Sliced<Result>,
      response?: (result: Result) => unknown,
    ): Sliced<Result> {
      const { succeed, fail } = beginNote(write);
      let result: Result;
      try {
        result = yield* work;
      } catch (error) {
        return fail(error);
      }
      return succeed(result, response);
    }
    spy(
      store,
      "put",
      (run) => (request) =>
        note(
          { kind: "put", request },
          () => run(request),
          ({ response }) => PutResponse.decode(RawPutResponse.encode(response).finish()),
        ),
    );
    spy(
      store,
      "deleteRange",
      (run) => (request) =>
        noteSliced({ kind: "deleteRange", request }, run(request), ({ response }) =>
          DeleteRangeResponse.decode(RawDeleteRangeResponse.encode(response).finish()),
        ),
    );
    spy(store, "grantLease", (run) => (lease) => note({ kind: "grantLease", lease }, () => run(lease)));
    spy(store, "revokeLease", (run) => (id) => noteSliced({ kind: "revokeLease", id }, run(id)));
    spy(store, "compact", (run) => (revision) => note({ kind: "compact", revision }, () => run(revision)));
    const txnResponse = ({ response }: { readonly response: RawTxnResponse }): TxnResponse =>
      TxnResponse.decode(RawTxnResponse.encode(response).finish());
    spy(
      store,
      "txn",
      (run) => (request) =>
        isWrite(request) ? noteSliced({ kind: "txn", request }, run(request), txnResponse) : run(request),
    );
    spy(store, "smallTxn", (run) => (request) => {
      if (!isWrite(request)) return run(request);
      const { succeed, fail } = beginNote({ kind: "txn", request });
      try {
        const result = run(request);
        return result && succeed(result, () => txnResponse(result)); // undefined: not small, so `txn` follows
      } catch (error) {
        return fail(error);
      }
    });
    let applying: readonly Entry[] = [];
    spy(applier, "apply", (run) => (entries, done) => {
      applying = entries;
      run(entries, done);
    });
    spy(store, "endRound", (run) => (marker) => {
      run(marker);
      const through = applier.appliedIndex; // entries beyond the limit of a round follow in a later one
      for (const entry of applying.filter(({ index }) => index <= through))
        this.judge(() => this.onApplied(name, entry, byIndex.get(entry.index) ?? []));
      byIndex.clear();
    });
    spy(applier, "install", (run) => (position, done) => {
      run(position, (configuration) => {
        this.judge(() => this.onInstalled(name, store, position.index));
        done(configuration);
      });
    });
  }

  /** Checks that an installed snapshot has the state of its index. */
  private onInstalled(name: string, store: KvStore, index: LogIndex): void {
    this.installs++;
    const revision = this.revisions.get(index) ?? 1;
    assert.equal(store.revision, revision, `the revision that ${name} came to by a snapshot of entry ${index}`);
    const everything = RangeRequest.create({ key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) });
    const found = store.range(everything);
    if (found instanceof Promise) return; // too many keys for one turn; the hashes at the end are compared
    assertSame(
      RangeResponse.decode(RawRangeResponse.encode(found.response).finish()),
      this.rangeAt(revision, everything),
      `what ${name} holds after a snapshot of entry ${index}`,
    );
  }

  private onApplied(name: string, entry: Entry, done: readonly Done[]): void {
    const known = this.entries.get(entry.index);
    if (known !== undefined) {
      this.compareEntries(name, known, entry);
      this.compareEffects(name, entry.index, done);
      return;
    }
    assert.equal(entry.index, this.end + 1, `${name} applied entry ${entry.index}, nobody has applied those before it`);
    this.end = entry.index;
    this.entries.set(entry.index, entry);
    this.effects.set(
      entry.index,
      done.map((each) => this.add(name, entry, each)),
    );
    this.revisions.set(entry.index, this.model.revision);
    for (const listener of this.entryListeners) listener(name, entry);
  }

  /** Checks that no two members apply different entries at an index. Raft paper §5.4.3, state machine safety. */
  private compareEntries(name: string, known: Entry, entry: Entry): void {
    const isSame =
      known.term === entry.term && known.kind === entry.kind && Buffer.compare(dataOf(known), dataOf(entry)) === 0;
    assert.ok(
      isSame,
      `${name} applied another entry ${entry.index} than those before it: ` +
        `of term ${entry.term}, ${dataOf(entry).length} bytes, not of term ${known.term}, ${dataOf(known).length} bytes`,
    );
  }

  private compareEffects(name: string, index: LogIndex, done: readonly Done[]): void {
    const show = (each: Pick<Done, "identity" | "revision" | "refusal">): string =>
      `${printableOf(each.identity)} at ${each.revision} ${each.refusal ?? ""}`;
    assert.deepEqual(
      done.map(show),
      (this.effects.get(index) ?? []).map(show),
      `entry ${index} does something else at ${name} than at another member, or before its restart`,
    );
  }

  private add(name: string, { index, term }: Entry, { write, identity, revision, refusal, response }: Done): Effect {
    const before = this.model.revision;
    const expected = this.run(write);
    const what = `${printableOf(identity)}, entry ${index}, applied by ${name}`;
    if (write.kind !== "compact") assert.equal(refusal, expected.refusal, `refused or not: ${what}`);
    else if (refusal === undefined) this.compactRevision = Math.max(this.compactRevision, write.revision);
    assert.equal(revision, this.model.revision, `the revision after ${what}`);
    if (response !== undefined && expected.response !== undefined)
      assertSame(response(), expected.response, `the response to ${what}`);
    const isChange = revision > before;
    const effect = {
      index,
      term,
      write,
      identity,
      revision,
      isChange,
      refusal,
      response: expected.response,
      at: this.now(),
    };
    const same = this.byIdentity.get(identity);
    if (same === undefined) this.byIdentity.set(identity, [effect]);
    else same.push(effect);
    for (const listener of this.listeners) listener(effect);
    return effect;
  }

  /** Applies the write to the model. */
  private run(write: Write): { readonly response?: unknown; readonly refusal: StoreErrorCode | undefined } {
    try {
      return { response: this.runOnModel(write), refusal: undefined };
    } catch (error) {
      if (error instanceof Refused) return { refusal: error.code };
      throw error;
    }
  }

  private runOnModel(write: Write): unknown {
    switch (write.kind) {
      case "put":
        return this.model.put(write.request);
      case "deleteRange":
        return this.model.deleteRange(write.request);
      case "txn":
        return this.model.txn(write.request);
      case "grantLease":
        this.model.grantLease(write.lease.id);
        return undefined;
      case "revokeLease":
        this.model.revokeLease(write.id);
        return undefined;
      case "compact":
        return undefined;
    }
  }
}

/** Tells whether a transaction may write; others are not replicated. */
const isWrite = ({ success, failure }: TxnRequest): boolean =>
  [...success, ...failure].some(({ request }) => request?.$case !== "requestRange");

/** Replaces a method; `run` is the original one. */
const spy = <Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  make: (run: Target[Name]) => Target[Name],
): void => {
  const run = target[name] as (...args: unknown[]) => unknown;
  target[name] = make(run.bind(target) as Target[Name]);
};

/** Returns text with other characters than printable ASCII as `·`, and with long runs of dots as their number. */
export const printableOf = (text: string): string =>
  text.replace(/[^\x20-\x7e]+/g, "·").replace(/\.{4,}/g, (dots) => `(${dots.length} dots)`);
