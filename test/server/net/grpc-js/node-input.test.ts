import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame, readHeader } from "../../../../server/net/grpc-js/http2-frames.js";
import { NodeInput } from "../../../../server/net/grpc-js/node-input.js";
import { StreamTable } from "../../../../server/net/grpc-js/stream-table.js";

const endStream = 0x1;
const endHeaders = 0x4;
const padded = 0x8;

/** Sets up a connection whose client has had `warm` open streams at a time before. */
const setUp = (warm: number) => {
  const streams = new StreamTable();
  const input = new NodeInput(streams);
  let stream = -1;
  const frame = (type: number, flags: number, on: number, payload = Buffer.alloc(4)): void => {
    const bytes = encodeFrame(type, flags, on, payload);
    input.beginFrame(readHeader(bytes, 0));
    if (type === 1) streams.handleHeaders(on);
    if (type <= 1 && (flags & endStream) !== 0) streams.endOfClient(on);
    input.add(bytes);
    if (type === 1) input.endHeaders(false);
  };
  /**
   * Sends a request.
   * @returns its stream
   */
  const request = (): number => {
    stream += 2;
    frame(1, endHeaders, stream);
    frame(0, endStream, stream);
    return stream;
  };
  const takeAll = (): number[] => {
    const sizes: number[] = [];
    for (let bytes = input.takeBytes(); bytes !== undefined; bytes = input.takeBytes()) sizes.push(bytes.length);
    return sizes;
  };
  for (let n = 0; n < warm; n++) request();
  takeAll();
  for (let each = 1; each <= stream; each += 2) streams.reset(each);
  return { streams, input, frame, request, takeAll };
};

/** Size of a frame with four bytes of payload. */
const size = 13;

test("requests and their data reach Node in one tick", () => {
  const { request, takeAll, input } = setUp(3);
  for (let n = 0; n < 3; n++) request();
  assert.equal(input.size, 6 * size);
  assert.deepEqual(takeAll(), [6 * size]);
  assert.equal(input.size, 0);
});

test("a request beyond the maximum of open requests so far waits for the next tick", () => {
  const { request, takeAll } = setUp(2);
  for (let n = 0; n < 3; n++) request();
  assert.deepEqual(takeAll(), [3 * size, 3 * size]);
});

test("at most 32 requests reach Node in one tick", () => {
  const { request, takeAll } = setUp(40);
  for (let n = 0; n < 40; n++) request();
  assert.deepEqual(takeAll(), [63 * size, 17 * size]);
});

test("frames that could end a request wait for the tick after its headers", () => {
  const following: Record<string, (connection: ReturnType<typeof setUp>, stream: number) => void> = {
    "a reset": ({ frame }, stream) => frame(3, 0, stream),
    "a change of a window": ({ frame }, stream) => frame(8, 0, stream),
    settings: ({ frame }) => frame(4, 0, 0),
    "padded data": ({ frame }, stream) => frame(0, padded, stream),
    "padded headers": ({ frame }, stream) => frame(1, endHeaders | padded, stream + 2),
    "headers in parts": ({ frame }, stream) => frame(1, 0, stream + 2),
    trailers: ({ frame }, stream) => frame(1, endHeaders | endStream, stream),
    "headers of a server's stream": ({ frame }, stream) => frame(1, endHeaders, stream + 1),
    "a large frame": ({ frame }, stream) => frame(0, 0, stream, Buffer.alloc(20_000)),
  };
  for (const [name, follow] of Object.entries(following)) {
    const connection = setUp(5);
    const stream = connection.streams.newest + 2;
    connection.frame(1, endHeaders, stream);
    follow(connection, stream);
    assert.deepEqual(connection.takeAll()[0], size, name);
  }
});

test("data for a stream that its client has ended waits for the tick after the headers before it", () => {
  const { request, frame, takeAll } = setUp(5);
  frame(0, endStream, request());
  assert.deepEqual(takeAll(), [size, 2 * size]);
});

test("once a request has declared its length, data waits for the tick after the headers before it", () => {
  const { request, input, takeAll } = setUp(5);
  request();
  assert.deepEqual(takeAll(), [2 * size]);
  input.endHeaders(true);
  request();
  assert.deepEqual(takeAll(), [size, size]);
});

test("once Node has reset a stream, each later request has its own tick", () => {
  const { request, input, takeAll } = setUp(5);
  for (let n = 0; n < 3; n++) request();
  input.onReset();
  assert.deepEqual(takeAll(), [size, 2 * size, 2 * size, size]);
});
