// The disk of a machine with the rows of its stores, which outlive the processes of a member.

import { machineDisk, MemoryDisk } from "../../../platform/index.js";
import type { StoreImage } from "../../../store/index.js";
import type { Timeline } from "../../index.js";
import { FaultDisk } from "../faults/index.js";
import { type BackendKeeper, DiskBackends, MemoryBackends } from "./kept-backends.js";

/** The files and rows of one member. */
export interface Storage {
  readonly disk: FaultDisk;
  readonly backends: BackendKeeper;
  /** Copies the current contents, and the in-memory state of the store; undefined: the storage is on the machine's disk. */
  readonly copy: ((image: StoreImage | undefined) => Storage) | undefined;
}

/** Makes storage on the machine's disk. */
export const storageOnDisk = (timeline: Timeline): Storage => {
  const backends = new DiskBackends();
  return { disk: new FaultDisk(machineDisk, timeline, () => undefined), backends, copy: undefined };
};

/** Makes storage in memory. */
export const storageInMemory = (
  timeline: Timeline,
  files = new MemoryDisk(),
  backends = new MemoryBackends(),
): Storage => ({
  disk: new FaultDisk(files, timeline, (path) => backends.onRemoved(path)),
  backends,
  copy: (image) => storageInMemory(timeline, files.copy(), backends.copy(image)),
});
