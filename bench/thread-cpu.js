// The CPU time of this thread alone. Node 20 has only that of the whole process, with the threads of libuv, LevelDB and the garbage
// collector. WASI has a clock per thread, which needs only an instance with memory.

import { WASI } from "node:wasi";

/** An empty module that exports one page of memory. */
const emptyModule = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version 1
  ...[0x05, 0x03, 0x01, 0x00, 0x01], // memory section: one memory of at least one page
  ...[0x07, 0x0a, 0x01, 0x06, ...Buffer.from("memory"), 0x02, 0x00], // export section: "memory"
]);

const threadCpuClock = 3;
const nanosecondsPerMs = 1e6;

const openClock = () => {
  const wasi = new WASI({ version: "preview1" });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(emptyModule));
  wasi.initialize(instance);
  const time = new DataView(instance.exports.memory.buffer);
  const read = wasi.wasiImport["clock_time_get"];
  return () => {
    const error = read(threadCpuClock, 0n, 0);
    if (error !== 0) throw new Error(`cannot read the thread's CPU time: WASI error ${error}`);
    return Number(time.getBigUint64(0, true)) / nanosecondsPerMs;
  };
};

let clock;

/** Returns the CPU time of the calling thread in milliseconds. Opens the clock on first use, as Node then warns that WASI is experimental. */
export const threadCpuMs = () => (clock ??= openClock())();
