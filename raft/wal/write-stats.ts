import { exponentialBounds, Histogram } from "../../platform/index.js";

/** Measures the synced writes of a log: each holds the entries and the hard state of a batch. */
export class WriteStats {
  /** Bytes written. */
  bytes = 0;
  readonly seconds = new Histogram(exponentialBounds(0.001, 2, 14));
}
