import { Calls } from "../../proto/index.js";
import { FrameError } from "./frame.js";

/** Begins a frame that is not consensus': the kinds of its messages are numbered from 1. */
const callsMark = 0xff;

export const isCallsFrame = (payload: Uint8Array): boolean => payload[0] === callsMark;

/** Messages to a leader or from it, as one frame. */
export const encodeCalls = (calls: Calls): Uint8Array =>
  Buffer.concat([Buffer.of(callsMark), Calls.encode(calls).finish()]);

/** @throws FrameError if it is damaged */
export const decodeCalls = (payload: Uint8Array): Calls => {
  try {
    return Calls.decode(payload.subarray(1));
  } catch (cause) {
    throw new FrameError("calls that cannot be decoded", undefined, { cause });
  }
};
