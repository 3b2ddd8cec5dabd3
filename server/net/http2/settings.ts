import { ConnectionError, errorCode } from "./errors.js";
import { readUint32, setting } from "./frames.js";
import { maxFrameBytes } from "./limits.js";
import type { ServerStream } from "./stream.js";
import { maxWindowBytes, type ConnectionWriter } from "./writer.js";

/** The settings of a client (RFC 9113 §6.5.2), as far as answers depend on them. Frames of the least size suit everybody. */
export class ClientSettings {
  /** The window that a stream begins with. */
  initialWindow = 65_535;
  /** The window that the frame being applied has set last. */
  private nextWindow = 65_535;

  constructor(
    private readonly writer: ConnectionWriter,
    private readonly streams: { values(): Iterable<ServerStream> },
  ) {}

  /**
   * Applies the settings of a frame in their order. A frame has room for thousands of windows, and each costs a walk over all
   * streams: the last one counts.
   *
   * @throws ConnectionError for a value that is not allowed
   */
  apply(bytes: Buffer, start: number, end: number): void {
    this.nextWindow = this.initialWindow;
    for (let at = start; at < end; at += 6)
      this.set(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0), readUint32(bytes, at + 2));
    if (this.nextWindow !== this.initialWindow) this.setInitialWindow(this.nextWindow);
  }

  private set(id: number, value: number): void {
    switch (id) {
      case setting.headerTableSize:
        this.writer.headers.setTableSize(value);
        return;
      case setting.enablePush:
        if (value > 1) throw new ConnectionError(errorCode.protocol, "invalid SETTINGS_ENABLE_PUSH");
        return;
      case setting.initialWindowSize:
        if (value > maxWindowBytes)
          throw new ConnectionError(errorCode.flowControl, "invalid SETTINGS_INITIAL_WINDOW_SIZE");
        this.nextWindow = value;
        return;
      case setting.maxFrameSize:
        if (value < maxFrameBytes || value >= 2 ** 24)
          throw new ConnectionError(errorCode.protocol, "invalid SETTINGS_MAX_FRAME_SIZE");
        return;
      default: // what a server may send is no matter of ours, and unknown settings are ignored
    }
  }

  /** Changes the windows of all streams by the difference; one may become negative (RFC 9113 §6.9.2). */
  private setInitialWindow(value: number): void {
    const difference = value - this.initialWindow;
    this.initialWindow = value;
    for (const stream of this.streams.values())
      if (!this.writer.openStreamWindow(stream, difference))
        throw new ConnectionError(errorCode.flowControl, "window too large");
  }
}
