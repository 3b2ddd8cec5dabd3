// Disk space and file descriptors: reserves, and waiting for them.

export { ConnectionSlots, Descriptors, processDescriptors, type DescriptorShare } from "./descriptors.js";
export { LogSpace } from "./log-space.js";
export { StoreDescriptors } from "./store-descriptors.js";
export { StoreSpace } from "./store-space.js";
