import assert from "node:assert/strict";
import type { Backend } from "../../../store/index.js";
import { text, turn, type TestDisk } from "../harness.js";

/** A disk whose writes end when the test says. */
export class SlowDisk {
  readonly writes: {
    readonly keys: string[];
    readonly finish: () => Promise<void>;
    readonly fail: (error: Error) => void;
  }[] = [];

  constructor(readonly inner: Backend) {}

  get backend(): Backend {
    const { inner } = this;
    return {
      name: "slow disk",
      get: (key) => inner.get(key),
      iterate: (from, to) => inner.iterate(from, to),
      view: () => inner.view(),
      size: () => inner.size(),
      close: () => inner.close(),
      batch: () => {
        const batch = inner.batch();
        const keys: string[] = [];
        return {
          put: (key, value) => {
            keys.push(text(key));
            batch.put(key, value);
          },
          delete: (key) => batch.delete(key),
          write: () =>
            new Promise((resolve, reject) => {
              const finish = async (): Promise<void> => {
                await batch.write();
                resolve();
                await turn();
              };
              this.writes.push({ keys, finish, fail: reject });
            }),
        };
      },
    };
  }

  /** Waits for the next write. */
  async whenWritten(): Promise<(typeof this.writes)[number]> {
    for (let turns = 0; this.writes.length === 0; turns++) {
      assert.ok(turns < 10_000, "the store writes");
      await turn();
    }
    return this.next();
  }

  /** Returns the write that the store waits for. */
  next(): (typeof this.writes)[number] {
    const write = this.writes.shift();
    assert.ok(write, "the store writes");
    return write;
  }
}

/** A disk whose next iterator, once armed, returns nothing before the test releases it. */
export class HaltingDisk implements TestDisk {
  readonly directory = undefined;
  readonly halted: Promise<void>;
  letGo: () => void = () => undefined;
  private halt: () => void = () => undefined;
  private readonly gate: Promise<void>;
  private isArmed = false;
  opened: Backend | undefined = undefined;

  constructor(private readonly inner: TestDisk) {
    this.halted = new Promise((resolve) => (this.halt = resolve));
    this.gate = new Promise((resolve) => (this.letGo = resolve));
  }

  arm(): void {
    this.isArmed = true;
  }

  async open(): Promise<Backend> {
    const backend = await this.inner.open();
    this.opened = backend;
    const iterate: Backend["iterate"] = (from, to) => {
      const rows = backend.iterate(from, to);
      if (!this.isArmed) return rows;
      this.isArmed = false;
      const next: typeof rows.next = async (count) => {
        this.halt();
        await this.gate;
        return rows.next(count);
      };
      return { next, close: () => rows.close() };
    };
    return {
      name: backend.name,
      get: (key) => backend.get(key),
      iterate,
      view: () => backend.view(),
      batch: () => backend.batch(),
      size: () => backend.size(),
      close: () => backend.close(),
    };
  }

  crash(): Promise<void> {
    return this.inner.crash();
  }

  dispose(): Promise<void> {
    return this.inner.dispose();
  }
}
