/** An error for a channel that has ended: cut, closed by the other side, or closed here. */
export class ChannelClosedError extends Error {
  override readonly name = "ChannelClosedError";
}

/**
 * A connection between two members for one snapshot: payloads arrive complete, unaltered and in order, or the channel ends.
 * `SocketChannel` implements it over a socket; a simulated network has its own.
 */
export interface SnapshotChannel {
  /**
   * Sends a payload; resolves once there is room for the next one, so a sender that waits holds one payload in memory.
   *
   * @throws ChannelClosedError
   */
  send(payload: Uint8Array): Promise<void>;
  /**
   * Returns the next payload, one call at a time. Nothing is read from the other side before the next call.
   *
   * @throws ChannelClosedError once all received payloads were returned
   */
  receive(): Promise<Uint8Array>;
  /** Closes the channel on both sides, after the payloads sent. Pending calls here fail with `reason`. May be called twice. */
  close(reason: string): void;
}
