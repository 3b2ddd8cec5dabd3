// Watches: events of keys, through broken streams.

export { Mirror, openMirror, type MirrorOptions } from "./mirror.js";
export type { WatchEvent, WatchResponse } from "./watch-queue.js";
export { WatchStream } from "./watch-stream.js";
export { Watch, type WatchBatch, type WatchDelivery, type WatchOptions, type WatchServices } from "./watch.js";
