import { type Calls, decodeCalls as decode, encodeCalls as encode } from "../../proto/index.js";
import { FrameError } from "./frame.js";

/** The first byte of a calls frame; consensus messages begin with their kind, a smaller number. */
const callsMark = 0xff;

/** Whether a frame contains calls, not a consensus message. */
export const isCallsFrame = (payload: Uint8Array): boolean => payload[0] === callsMark;

/** Encodes calls and responses as one frame. */
export const encodeCalls = (calls: Calls): Uint8Array => Buffer.concat([Buffer.of(callsMark), encode(calls)]);

/** Decodes a calls frame. @throws FrameError if it is damaged */
export const decodeCalls = (payload: Uint8Array): Calls => {
  try {
    return decode(payload.subarray(1));
  } catch (cause) {
    throw new FrameError("calls frame cannot be decoded", undefined, { cause });
  }
};
