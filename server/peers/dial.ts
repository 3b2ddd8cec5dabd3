import { connect, type Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";
import type { Address } from "../base/index.js";
import { FrameError, FrameReader, writeFrames } from "./frame.js";
import { decodeAnswer, encodeHello, maxHelloBytes, type Incarnation, type Purpose, type Refusal } from "./hello.js";

/** How long a connection may take to be accepted before it is given up. */
const handshakeMs = 5_000;

/** Who calls whom. */
export interface DialOptions {
  readonly clusterId: bigint;
  readonly from: MemberId;
  /** Which incarnation of the caller speaks. */
  readonly incarnation: Incarnation;
  readonly to: MemberId;
  readonly clock: Clock;
}

export interface DialListener {
  /** The first thing that the other side says: undefined means welcome. */
  readonly onAnswer: (refusal: Refusal | undefined) => void;
  /** What it says after that: little, as it is the dialling side that has something to say. */
  readonly onPayload: (payload: Buffer) => void;
  /** The connection is gone, or never was. Comes once, also after `destroy`. */
  readonly onClosed: (cause: Error | undefined) => void;
}

/** Calls another member at one of its addresses, and says hello. */
export const dial = (address: Address, purpose: Purpose, options: DialOptions, listener: DialListener): Socket => {
  const socket = connect(address.kind === "unix" ? { path: address.path } : { ...address, noDelay: true });
  const cancelHandshake = options.clock.after(handshakeMs, () => socket.destroy());
  let take = (answer: Buffer): void => {
    cancelHandshake();
    take = listener.onPayload;
    listener.onAnswer(decodeAnswer(answer));
  };
  let cause: Error | undefined;
  const reader = new FrameReader(maxHelloBytes);
  socket.on("connect", () => writeFrames(socket, [encodeHello({ ...options, purpose })]));
  socket.on("data", (chunk: Buffer) => {
    try {
      reader.push(chunk, (payload) => take(payload));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      socket.destroy(error); // whatever that is, it is not a member
    }
  });
  socket.on("error", (error) => (cause = error)); // "close" follows and does the work
  socket.on("close", () => {
    cancelHandshake();
    listener.onClosed(cause);
  });
  return socket;
};
