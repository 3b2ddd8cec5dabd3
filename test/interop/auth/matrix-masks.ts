// Known differences of the matrix between etcd 3.7 and minietcd; each is a row of docs/differences.md.
import type { CellMask } from "./cells.js";

export const masks: readonly CellMask[] = [];
