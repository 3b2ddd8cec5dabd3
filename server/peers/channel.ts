/** The channel has ended: cut, closed by the other side, or given up here. */
export class ChannelClosedError extends Error {
  override readonly name = "ChannelClosedError";
}

/**
 * A way between two members for one snapshot: payloads arrive whole, unaltered and in order, or the channel ends. Over a
 * socket it is `SocketChannel`; a simulated network has its own.
 */
export interface SnapshotChannel {
  /**
   * Resolves once there is room for the next one: whoever waits for it holds one payload, however slow the other side is.
   *
   * @throws ChannelClosedError
   */
  send(payload: Uint8Array): Promise<void>;
  /**
   * The next payload, one call at a time. Nothing more is taken from the other side before it is asked for.
   *
   * @throws ChannelClosedError once all that came was taken
   */
  receive(): Promise<Uint8Array>;
  /** Ends it on both sides, after what was sent. What is under way here fails with `reason`. May be called twice. */
  close(reason: string): void;
}
