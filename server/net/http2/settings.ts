import { ConnectionError, http2ErrorCode } from "./errors.js";
import { readUint32, setting } from "./frames.js";
import { maxFrameBytes } from "./limits.js";
import type { ServerStream } from "./stream.js";
import { maxWindowBytes, type ConnectionWriter } from "./writer.js";

/** The settings of a client (RFC 9113 §6.5.2) that affect answers. Frames have the minimum size, which every client accepts. */
export class ClientSettings {
  /** The initial window of a stream, in bytes. */
  initialWindow = 65_535;
  /** The last window in the frame that is being applied. */
  private nextWindow = 65_535;

  constructor(
    private readonly writer: ConnectionWriter,
    private readonly streams: { values(): Iterable<ServerStream> },
  ) {}

  /**
   * Applies the settings of a frame in order. A frame has room for thousands of windows, and each would cost a walk over all
   * streams: only the last one is applied.
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
        if (value > 1) throw new ConnectionError(http2ErrorCode.protocol, "invalid SETTINGS_ENABLE_PUSH");
        return;
      case setting.initialWindowSize:
        if (value > maxWindowBytes)
          throw new ConnectionError(http2ErrorCode.flowControl, "invalid SETTINGS_INITIAL_WINDOW_SIZE");
        this.nextWindow = value;
        return;
      case setting.maxFrameSize:
        if (value < maxFrameBytes || value >= 2 ** 24)
          throw new ConnectionError(http2ErrorCode.protocol, "invalid SETTINGS_MAX_FRAME_SIZE");
        return;
      default: // settings of what a server may send do not matter here, and unknown settings are ignored
    }
  }

  /** Changes the windows of all streams by the difference; a window may become negative (RFC 9113 §6.9.2). */
  private setInitialWindow(value: number): void {
    const difference = value - this.initialWindow;
    this.initialWindow = value;
    for (const stream of this.streams.values())
      if (!this.writer.openStreamWindow(stream, difference))
        throw new ConnectionError(http2ErrorCode.flowControl, "window too large");
  }
}
