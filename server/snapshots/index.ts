// The log cut behind the store; the store sent to members that need what was cut.

export { NewStores, type NewStoresOptions } from "./new-store.js";
export { Snapshots } from "./snapshots.js";
