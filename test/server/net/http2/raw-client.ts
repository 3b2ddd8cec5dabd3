// An engine with a few methods, and a client that sends it single frames, including invalid ones.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../../../platform/index.js";
import type { EngineOptions } from "../../../../server/net/engine/engine.js";
import { frame, FrameReader, frameType, preface, settingsFrame } from "../../../../server/net/http2/frames.js";
import { HpackDecoder } from "../../../../server/net/http2/hpack-decoder.js";
import { LiteralCache } from "../../../../server/net/http2/literal-cache.js";
import { createNativeEngine } from "../../../../server/net/native-engine.js";
import { UntakenAnswers } from "../../../../server/net/engine/untaken-answers.js";
import { bidi, sendPlain, unary, type Method, type BidiResponseStream } from "../../../../server/rpc/method-table.js";
import { within } from "../../../support/deadline.js";
import { temporaryDirectory } from "../../member/member-fixtures.js";
import { handTo } from "../engines.js";
import { plainBlock } from "./hpack-writer.js";

export const endStream = 1;
export const endHeaders = 4;

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
  /** The fields of a HEADERS frame. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Returns a message in gRPC's frame. */
export const message = (bytes: Uint8Array, flag = 0): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
};

export const requestFields = (path: string, more: Readonly<Record<string, string>> = {}) => ({
  ":method": "POST",
  ":scheme": "http",
  ":path": path,
  ":authority": "localhost",
  "content-type": "application/grpc",
  te: "trailers",
  ...more,
});

export const headers = (stream: number, path: string, more: Readonly<Record<string, string>> = {}, flags = 0): Buffer =>
  frame(frameType.headers, endHeaders | flags, stream, plainBlock(requestFields(path, more)));

export const data = (stream: number, bytes: Uint8Array, flags = 0): Buffer =>
  frame(frameType.data, flags, stream, bytes);

/** Returns the frames of a unary request. */
export const call = (stream: number, path: string, request: Uint8Array = new Uint8Array()): Buffer =>
  Buffer.concat([headers(stream, path), data(stream, message(request), endStream)]);

export class RawClient {
  readonly frames: SeenFrame[] = [];
  readonly whenClosed: Promise<unknown>;
  private readonly reader = new FrameReader();
  private readonly hpack = new HpackDecoder(new LiteralCache());
  private wake: () => void = () => undefined;

  constructor(readonly socket: Socket) {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => this.reader.push(chunk, this));
    this.whenClosed = once(socket, "close");
  }

  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): boolean {
    const payload = Buffer.from(bytes.subarray(start, end));
    let fields = {};
    if (type === frameType.headers) {
      this.hpack.decode(payload, 0, payload.length);
      fields = Object.fromEntries(this.hpack.fields.map(({ name, value }) => [name, value]));
    }
    this.frames.push({ type, flags, stream, payload, fields });
    this.wake();
    return true;
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** Waits for a frame among those received already or later. */
  async frame(what: string, isIt: (seen: SeenFrame) => boolean): Promise<SeenFrame> {
    const find = async (): Promise<SeenFrame> => {
      for (;;) {
        const seen = this.frames.find(isIt);
        if (seen !== undefined) return seen;
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
    };
    return within(5_000, what, find());
  }

  /** Waits for the trailers of a stream, or a response of trailers only. */
  end(stream: number): Promise<SeenFrame> {
    return this.frame(`the end of stream ${stream}`, (seen) => seen.stream === stream && "grpc-status" in seen.fields);
  }

  /** Waits for the reset of a stream, and returns its code. */
  async reset(stream: number): Promise<number> {
    const seen = await this.frame(`a reset of stream ${stream}`, (each) => each.type === 3 && each.stream === stream);
    return seen.payload.readUInt32BE(0);
  }

  /** Waits for a GOAWAY and the end of the connection. Returns code and text. */
  async goAway(): Promise<readonly [code: number, text: string]> {
    const { payload } = await this.frame("a GOAWAY", ({ type }) => type === frameType.goAway);
    await within(5_000, "the end of the connection", this.whenClosed);
    return [payload.readUInt32BE(4), payload.toString("latin1", 8)];
  }

  /** Returns the message bytes of a stream so far. */
  body(stream: number): Buffer {
    return Buffer.concat(
      this.frames.filter((each) => each.type === 0 && each.stream === stream).map((each) => each.payload),
    );
  }
}

export const bytesCodec = {
  decode: (bytes: Uint8Array) => bytes,
  encode: (bytes: Uint8Array) => ({ finish: () => bytes }),
};

/** Serves `/test.S/Echo`, `/test.S/Never` and `/test.S/Stream`, whose streams are in `streams`. */
export const serve = async (
  t: TestContext,
  options: Partial<EngineOptions> = {},
  more: readonly Method[] = [],
  makeServer: (onConnection: (socket: Socket) => void) => Server = createServer,
) => {
  const path = join(await temporaryDirectory(t), "s");
  const streams: BidiResponseStream<Uint8Array>[] = [];
  const canceled: string[] = [];
  const unexpected: unknown[] = [];
  const engine = createNativeEngine({
    clock: systemClock,
    untaken: new UntakenAnswers(systemClock, () => undefined),
    methods: [
      unary(
        "/test.S/Echo",
        bytesCodec,
        bytesCodec,
        (_call, request: Uint8Array, handler) => handler.onResult(Uint8Array.from(request)),
        sendPlain,
      ),
      unary(
        "/test.S/Never",
        bytesCodec,
        bytesCodec,
        (asked) => asked.addCancelListener(() => canceled.push("Never")),
        sendPlain,
      ),
      bidi("/test.S/Stream", bytesCodec, bytesCodec, (_call, stream: BidiResponseStream<Uint8Array>) => {
        streams.push(stream);
        return {
          onRequest: (request: Uint8Array) => void stream.send(request),
          onHalfClose: () => stream.endStream(),
          onClosed: () => canceled.push("Stream"),
        };
      }),
      ...more,
    ],
    maxRequestBytes: 100_000,
    onUnexpectedError: (error) => unexpected.push(error),
    ...options,
  });
  const server = makeServer(handTo(engine));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const sockets: Socket[] = [];
  const dialRaw = (): RawClient => {
    const socket = connect(path);
    sockets.push(socket);
    return new RawClient(socket);
  };
  /** Connects a client, which sends the preface and SETTINGS. */
  const dial = (settings: readonly (readonly [number, number])[] = []): RawClient => {
    const client = dialRaw();
    client.send(preface, settingsFrame(settings));
    return client;
  };
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await engine.stop(0);
    assert.deepEqual(unexpected, []);
  });
  return { engine, path, streams, canceled, dialRaw, dial };
};

/** Checks that a call on a connection of its own succeeds. */
export const assertServes = async (dial: () => RawClient): Promise<void> => {
  const client = dial();
  client.send(call(1, "/test.S/Echo", Buffer.from("hello")));
  assert.equal((await client.end(1)).fields["grpc-status"], "0");
  assert.equal(client.body(1).toString("latin1", 5), "hello");
  client.socket.destroy();
};
