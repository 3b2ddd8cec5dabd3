// The access of a program to the outside world: virtual while a simulation runs, or detected.

import { AsyncLocalStorage, createHook } from "node:async_hooks";
import { webcrypto } from "node:crypto";
import type { Timeline } from "../../index.js";

/** The wall clock at the beginning of every simulation. */
const startOfTime = Date.UTC(2024, 0, 1);

/** Types of Node's asynchronous resources that wait for the real world. @see Node's async_hooks, type */
const realWork: Readonly<Record<string, string>> = {
  Timeout: "a timer of Node's that is not a global one (node:timers, AbortSignal.timeout)",
  FSREQCALLBACK: "the file system",
  FSREQPROMISE: "the file system",
  FILEHANDLE: "the file system",
  TCPWRAP: "a socket",
  TCPCONNECTWRAP: "a socket",
  TCPSERVERWRAP: "a socket",
  UDPWRAP: "a socket",
  GETADDRINFOREQWRAP: "a name lookup",
  HTTPCLIENTREQUEST: "an HTTP request",
  PROCESSWRAP: "another process",
  WORKER: "a worker",
  ZLIB: "zlib's threads",
  RANDOMBYTESREQUEST: "crypto's threads",
};

/** A timer of a simulation, with the methods of Node's timers. */
class VirtualTimer {
  private stop: () => void;

  constructor(
    private readonly start: () => () => void,
    readonly id: number,
  ) {
    this.stop = start();
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  refresh(): this {
    this.stop();
    this.stop = this.start();
    return this;
  }

  close(): void {
    this.stop();
  }

  [Symbol.toPrimitive](): number {
    return this.id;
  }
}

type Callback = (...args: readonly unknown[]) => void;

/** Returns replacements for the global timers, on a timeline. */
const virtualTimers = (timeline: Timeline) => {
  const timers = new Map<number, VirtualTimer>();
  let count = 0;
  const add = (start: () => () => void): VirtualTimer => {
    const timer = new VirtualTimer(start, ++count);
    timers.set(timer.id, timer);
    return timer;
  };
  const clear = (timer: unknown): void => {
    const id = Number(timer);
    timers.get(id)?.close();
    timers.delete(id);
  };
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = timeline.after(Math.max(1, ms), run);
    return () => void (timer.run = undefined);
  };
  return {
    setTimeout: (callback: Callback, ms = 1, ...args: readonly unknown[]) =>
      add(() => after(ms, () => callback(...args))),
    setInterval: (callback: Callback, ms = 1, ...args: readonly unknown[]) =>
      add(() => {
        let stop = (): void => undefined;
        const next = (): void => {
          stop = after(ms, () => {
            next();
            callback(...args);
          });
        };
        next();
        return () => stop();
      }),
    clearTimeout: clear,
    clearInterval: clear,
  };
};

/** Sets properties, and returns a function that restores them. */
const patch = (target: object, values: Readonly<Record<string, unknown>>): (() => void) => {
  const before = Object.keys(values).map((name) => [name, Object.getOwnPropertyDescriptor(target, name)] as const);
  for (const [name, value] of Object.entries(values))
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return () => {
    for (const [name, descriptor] of before)
      if (descriptor === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, descriptor);
  };
};

/** Returns replacements for random bytes and ids, from the seed. */
const seededCrypto = (random: () => number) => ({
  getRandomValues: <T extends ArrayBufferView>(array: T): T => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(random() * 256);
    return array;
  },
  randomUUID: (): string => {
    const digit = (most: number): string => Math.floor(random() * (most + 1)).toString(16);
    return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => digit(15));
  },
});

const virtualDate = (now: () => number): typeof Date =>
  class extends Date {
    constructor(...args: unknown[]) {
      super(...((args.length === 0 ? [now()] : args) as [number]));
    }

    static override now(): number {
      return now();
    }
  } as typeof Date;

const inSimulation = new AsyncLocalStorage<(found: Error) => void>();

/**
 * Runs `body` in a virtual world: the global timers and clocks follow `timeline`, random numbers come from `random`, and any
 * other wait for the real world is reported to `onReal`.
 */
export const withoutRealWorld = async <T>(
  { timeline, random }: { readonly timeline: Timeline; readonly random: () => number },
  onReal: (found: Error) => void,
  body: () => Promise<T>,
): Promise<T> => {
  const now = (): number => startOfTime + Math.floor(timeline.now);
  const restores = [
    patch(globalThis, { ...virtualTimers(timeline), Date: virtualDate(now) }),
    patch(performance, { now: () => timeline.now }),
    patch(Math, { random }),
    patch(webcrypto, seededCrypto(random)),
  ];
  const hook = createHook({
    init: (_, type) => {
      const what = realWork[type];
      if (what !== undefined)
        inSimulation.getStore()?.(new Error(`Used in a simulation: ${what}, which is not virtual`));
    },
  });
  hook.enable();
  try {
    return await inSimulation.run(onReal, body);
  } finally {
    hook.disable();
    for (const restore of restores) restore();
  }
};
