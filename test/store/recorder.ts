import assert from "node:assert/strict";
import { Event } from "../../proto/index.js";
import type { Watch, WatchOptions } from "../../store/index.js";
import { showEvent } from "../support/watch-stream.js";
import { bytes, turn, type TestStore } from "./harness.js";

type Options = Partial<Omit<WatchOptions, "key" | "rangeEnd">>;

/** A watch, and the events that it received when rounds ended: `rev 3: PUT k=v 2, DELETE k 3`. */
export class Recorder {
  readonly batches: string[] = [];
  readonly encoded: Uint8Array[] = [];
  readonly watch: Watch;
  hasRoom = true;
  refusals = 0;
  compacted: number | undefined = undefined;
  failure: unknown = undefined;

  constructor({ store }: TestStore, [key, rangeEnd = ""]: readonly [string, string?], options: Options = {}) {
    const defaults = { startRevision: 0, prevKv: false, puts: true, deletes: true };
    this.watch = store.watch(
      { key: bytes(key), rangeEnd: bytes(rangeEnd), ...defaults, ...options },
      {
        onChanged: (_tags, _from, _to, { revision, events }) => {
          if (!this.hasRoom) this.refusals += 1;
          if (!this.hasRoom) return 0;
          this.encoded.push(...events);
          this.batches.push(`rev ${revision}: ${events.map((event) => showEvent(Event.decode(event))).join(", ")}`);
          return 1;
        },
        onCompacted: (_tag, revision) => (this.compacted = revision),
        onFailed: (_tag, error) => (this.failure = error),
      },
      undefined,
    );
  }

  /** Waits until the watch is live. */
  async waitUntilLive(): Promise<void> {
    for (let turns = 0; this.watch.sendPending() === undefined; turns++) {
      assert.ok(turns < 10_000, "it catches up");
      await turn();
    }
  }

  async waitUntil(isDone: () => boolean): Promise<void> {
    for (let turns = 0; !isDone(); turns++) {
      assert.ok(turns < 10_000, String(isDone));
      await turn();
    }
  }
}
