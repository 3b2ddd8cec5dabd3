import { connect, type Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";
import type { ClusterId, PortAddress } from "../base/index.js";
import { FrameError, PeerFrameReader, writeFrames } from "./frame.js";
import { TlsDialer } from "../tls/index.js";
import {
  decodeHelloAnswer,
  encodeHello,
  maxHelloBytes,
  type Incarnation,
  type Purpose,
  type HelloRefusal,
} from "./hello.js";

/** The time after which a connection without an answer to the hello is closed, in milliseconds. */
const handshakeMs = 5_000;

/** The sender and the receiver of a hello. */
export interface DialOptions {
  readonly clusterId: ClusterId;
  readonly from: MemberId;
  /** The incarnation of the dialling member. */
  readonly incarnation: Incarnation;
  readonly to: MemberId;
  readonly clock: Clock;
  /** Connects to addresses with TLS. Absent: this member presents no certificate, and trusts the authorities that come with Node. */
  readonly tls?: TlsDialer | undefined;
}

/** Receives the events of a dialled connection. */
export interface DialListener {
  /** Reports the answer to the hello: a refusal, or undefined if accepted. */
  onAnswer(refusal: HelloRefusal | undefined): void;
  /** Reports a later payload: a keepalive, or the progress of a snapshot. */
  onPayload(payload: Buffer): void;
  /** Reports, once, that the connection closed or could not be made, also after `destroy`. */
  onClosed(cause: Error | undefined): void;
}

/** Dials another member at one address and sends a hello. */
export const dial = (address: PortAddress, purpose: Purpose, options: DialOptions, listener: DialListener): Socket => {
  const { isSecure = false } = address;
  const socket: Socket = isSecure ? (options.tls ?? new TlsDialer(undefined)).connect(address) : connectOpenly(address);
  const cancelHandshake = options.clock.after(handshakeMs, () => socket.destroy());
  let take = (answer: Buffer): void => {
    cancelHandshake();
    take = (payload) => listener.onPayload(payload);
    listener.onAnswer(decodeHelloAnswer(answer));
  };
  let cause: Error | undefined;
  const reader = new PeerFrameReader(maxHelloBytes);
  socket.on(isSecure ? "secureConnect" : "connect", () => writeFrames(socket, [encodeHello({ ...options, purpose })]));
  socket.on("data", (chunk: Buffer) => {
    try {
      reader.push(chunk, (payload) => take(payload));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      socket.destroy(error); // the answer is not of the peer protocol
    }
  });
  socket.on("error", (error) => (cause = error)); // the event "close" follows and is handled above
  socket.on("close", () => {
    cancelHandshake();
    listener.onClosed(cause);
  });
  return socket;
};

const connectOpenly = (address: PortAddress): Socket =>
  connect(address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port, noDelay: true });
