// The small components of the engine, each by itself.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "../../../support/fast-check.js";
import { ClosedStreams } from "../../../../server/net/http2/closed-streams.js";
import { DeadlineWheel, type DeadlineItem } from "../../../../server/net/http2/deadline-wheel.js";
import { HeaderField } from "../../../../server/net/http2/header-field.js";
import { parseTimeout } from "../../../../server/net/http2/grpc-timeout.js";
import {
  chunkBytes,
  largeChunkBytes,
  maxGatheredBytes,
  maxRememberedHeadBytes,
  rememberedStreams,
} from "../../../../server/net/http2/limits.js";
import { MessageReader } from "../../../../server/net/http2/message-reader.js";
import { ChunkPool, minSharedBytes, Output } from "../../../../server/net/http2/output.js";
import { RateBudget } from "../../../../server/net/http2/rate-budget.js";
import { areTrailers, RequestHeads } from "../../../../server/net/http2/request-head.js";
import { SendQueue } from "../../../../server/net/http2/send-queue.js";
import { encodeStatusMessage } from "../../../../server/net/http2/status-message.js";
import { ListMessage } from "../../../../server/rpc/list-message.js";
import { VirtualClock } from "../../../../testing/virtual-clock.js";
import { message } from "./raw-client.js";

const fieldsOf = (fields: readonly (readonly [string, string])[]): HeaderField[] =>
  fields.map(([name, value]) => new HeaderField(name, value));

const pseudo = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a.B/C"],
] as const;

describe("heads of requests", () => {
  test("requests with the same fields share a head, whatever their timeouts", () => {
    const heads = new RequestHeads();
    const same = fieldsOf([...pseudo, ["content-type", "application/grpc"]]);
    const first = heads.read([...same, new HeaderField("grpc-timeout", "1S")]);
    assert.equal(heads.timeout, "1S");
    assert.equal(heads.read([...same, new HeaderField("grpc-timeout", "2S")]), first);
    assert.equal(heads.timeout, "2S");
    assert.equal(heads.read(same), first);
    assert.equal(heads.timeout, undefined);
    assert.notEqual(heads.read(same.slice(0, 3)), first);
    assert.equal(first?.contentType, "application/grpc");
  });

  test("the last of several timeouts counts, in a new head and in a known one", () => {
    const heads = new RequestHeads();
    const fields = [
      ...fieldsOf(pseudo.slice()),
      ...fieldsOf([
        ["grpc-timeout", "1S"],
        ["grpc-timeout", "2S"],
      ]),
    ];
    for (let n = 0; n < 2; n++) {
      assert.ok(heads.read(fields));
      assert.equal(heads.timeout, "2S");
    }
  });

  test("a head with large fields is not cached", () => {
    const heads = new RequestHeads();
    const large = fieldsOf([...pseudo, ["x", "y".repeat(maxRememberedHeadBytes)]]);
    assert.notEqual(heads.read(large), heads.read(large));
  });

  for (const [what, fields] of [
    ["no path", pseudo.slice(0, 2)],
    ["an empty path", [...pseudo.slice(0, 2), [":path", ""]]],
    ["no method", pseudo.slice(1)],
    ["a path twice", [...pseudo, [":path", "/d"]]],
    ["a pseudo-header behind a field", [["a", "b"], ...pseudo]],
    ["a pseudo-header of answers", [...pseudo, [":status", "200"]]],
    ["a field in capitals", [...pseudo, ["A", "b"]]],
    ["a field of HTTP/1", [...pseudo, ["connection", "close"]]],
    ["a length that is no number", [...pseudo, ["content-length", "x"]]],
  ] as const)
    test(`a request with ${what} is malformed`, () => {
      assert.equal(new RequestHeads().read(fieldsOf(fields as [string, string][])), undefined);
    });

  test("trailers have no pseudo-headers", () => {
    assert.equal(areTrailers(fieldsOf([["a", "b"]])), true);
    assert.equal(areTrailers(fieldsOf([[":path", "/"]])), false);
  });
});

describe("grpc-timeout", () => {
  for (const [text, ms] of [
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["5S", 5_000],
    ["250m", 250],
    ["4999712u", 4_999.712],
    ["1000n", 0.001],
    ["99999999H", 359_999_996_400_000],
    ["", undefined],
    ["S", undefined],
    ["1", undefined],
    ["1s", undefined],
    ["-1S", undefined],
    ["1.5S", undefined],
    ["123456789S", undefined],
  ] as const)
    test(`${JSON.stringify(text)} is ${ms} ms`, () => {
      const parsed = parseTimeout(text);
      if (ms === undefined || parsed === undefined) assert.equal(parsed, ms);
      else assert.ok(Math.abs(parsed - ms) < 1e-6, `${parsed}`);
    });

  const nanosecondsOf = {
    H: 3_600_000_000_000n,
    M: 60_000_000_000n,
    S: 1_000_000_000n,
    m: 1_000_000n,
    u: 1_000n,
    n: 1n,
  };
  const unit = fc.constantFrom("H", "M", "S", "m", "u", "n");

  test("one to eight digits and a unit are their value in milliseconds", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{1,8}$/), unit, (digits, name) => {
        const ms = Number(BigInt(digits) * nanosecondsOf[name]) / 1e6;
        const parsed = parseTimeout(digits + name);
        // The factors of microseconds and nanoseconds are no binary fractions: the last bits may differ.
        assert.ok(parsed !== undefined && Math.abs(parsed - ms) <= ms * 1e-15, `${parsed}, not ${ms}`);
      }),
    );
  });

  test("any other text is malformed", () => {
    const garbage = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
    const digits = fc.stringMatching(/^[0-9]{0,12}[HMSmunhs]?$/);
    const similar = fc.stringMatching(/^[0-9HMSmunhs+\-. \0٣]{0,11}$/);
    fc.assert(
      fc.property(fc.oneof(digits, similar, garbage), (text) => {
        assert.equal(parseTimeout(text) !== undefined, /^[0-9]{1,8}[HMSmun]$/.test(text));
      }),
    );
  });
});

describe("deadlines", () => {
  class Waiting implements DeadlineItem {
    slot = -1;
    next: DeadlineItem | undefined;
    previous: DeadlineItem | undefined;
    expiredAt: number | undefined;

    constructor(
      readonly deadlineAt: number,
      private readonly clock: VirtualClock,
    ) {}

    onDeadline(): void {
      assert.equal(this.expiredAt, undefined);
      this.expiredAt = this.clock.now();
    }
  }

  test("each deadline expires once, within two ticks of its time; a removed deadline never does", () => {
    const waiting = fc.record({ ms: fc.integer({ min: -10, max: 12_000 }), leaves: fc.boolean() });
    fc.assert(
      fc.property(fc.array(waiting, { maxLength: 60 }), fc.array(fc.nat(900), { maxLength: 40 }), (all, steps) => {
        const clock = new VirtualClock();
        const wheel = new DeadlineWheel(clock);
        const added = all.map(({ ms, leaves }) => {
          const each = new Waiting(clock.now() + ms, clock);
          wheel.add(each);
          return { each, leaves };
        });
        for (const { each, leaves } of added)
          if (leaves) {
            wheel.remove(each);
            wheel.remove(each);
          }
        for (const step of steps) clock.advance(step);
        clock.advance(13_000);
        for (const { each, leaves } of added) {
          if (leaves) assert.equal(each.expiredAt, undefined);
          else assert.ok(each.expiredAt! >= each.deadlineAt && each.expiredAt! <= Math.max(each.deadlineAt, 0) + 40);
        }
        wheel.stop();
      }),
    );
  });
});

describe("rate budget", () => {
  test("a burst passes at once, then a fixed number per second", () => {
    const budget = new RateBudget(3, 2);
    assert.deepEqual(
      [0, 0, 0, 0].map((at) => budget.countEvent(at)),
      [true, true, true, false],
    );
    assert.equal(budget.countEvent(1_000), true);
    assert.equal(budget.countEvent(1_000), false);
  });
});

describe("closed streams", () => {
  test("the last closed streams are kept, older ones are dropped", () => {
    const closed = new ClosedStreams();
    closed.add(1, "ended");
    assert.equal(closed.find(1), "ended");
    assert.equal(closed.find(3), undefined);
    for (let n = 1; n <= rememberedStreams; n++) closed.add(2 * n + 1, "reset by client");
    assert.equal(closed.find(1), undefined);
    assert.equal(closed.find(3), "reset by client");
  });
});

describe("bytes for a client", () => {
  test("appended bytes, in pieces of any size, come out in order", () => {
    const pieces = fc.array(fc.nat(40_000), { maxLength: 20 });
    const pool = new ChunkPool();
    fc.assert(
      fc.property(pieces, fc.boolean(), (sizes, isOnePiece) => {
        const output = new Output(pool, isOnePiece);
        const wanted: Buffer[] = [];
        for (const [n, size] of sizes.entries()) {
          const bytes = Buffer.alloc(size, n);
          wanted.push(bytes);
          if (n % 3 === 0) output.add(bytes);
          else if (size > chunkBytes || n % 3 === 1) output.append(bytes);
          else {
            const room = output.reserve(size);
            bytes.copy(room, output.end);
            output.end += size;
          }
        }
        const all = Buffer.concat(wanted);
        assert.equal(output.size, all.length);
        const parts = output.takeParts();
        assert.ok(Buffer.concat(parts.map(({ bytes }) => bytes)).equals(all));
        assert.equal(output.size, 0);
        for (const { chunk } of parts) if (chunk !== undefined) pool.giveBack(chunk);
      }),
    );
  });

  test("bytes gathered for TLS lie in one piece, in a small chunk as long as they fit", () => {
    const output = new Output(new ChunkPool(), true);
    const value = Buffer.alloc(minSharedBytes, 1);
    output.add(value);
    assert.equal(output.reserve(1).length, chunkBytes);
    assert.equal(output.slack, 0);
    while (output.size < maxGatheredBytes) output.add(value);
    output.add(Buffer.alloc(chunkBytes, 1));
    assert.equal(output.size + output.slack, largeChunkBytes, "the memory that is kept");
    const parts = output.takeParts();
    assert.equal(output.slack, 0);
    assert.equal(parts.length, 1);
    assert.ok(parts[0]?.bytes.every((byte) => byte === 1));
    assert.equal(parts[0]?.chunk?.length, largeChunkBytes);
  });

  test("large pieces are not copied, unless they are part of a much larger buffer", () => {
    const output = new Output(new ChunkPool());
    const own = Buffer.alloc(minSharedBytes, 1);
    const piece = Buffer.alloc(4 * minSharedBytes, 2).subarray(0, minSharedBytes);
    for (const bytes of [own, piece, own.subarray(0, minSharedBytes - 1)]) output.add(bytes);
    const memory = output.takeParts().flatMap(({ bytes }) => (bytes.length > 0 ? [bytes.buffer] : []));
    assert.deepEqual(
      memory.map((each) => each === own.buffer || each === piece.buffer),
      [true, false],
    );
  });

  /** Divides a message into pieces, some of which are empty. */
  const divide = ({ head, tag, items, tail }: ListMessage): ListMessage[] => {
    const none = Buffer.of();
    return [
      new ListMessage(head, tag, items.slice(0, 1), none),
      new ListMessage(none, tag, items.slice(1, 4), none),
      new ListMessage(none, tag, items.slice(4), tail),
    ];
  };

  test("a queue of messages returns their bytes in parts of any size, and counts complete messages", () => {
    const size = fc.oneof(fc.nat(50), fc.constantFrom(127, 128, 1_020, 1_030, 40_000));
    const whole = size.map((bytes) => Buffer.alloc(bytes, bytes));
    const inPieces = fc
      .tuple(fc.nat(40), fc.array(size, { maxLength: 8 }), fc.nat(5))
      .map(
        ([head, items, tail]) =>
          new ListMessage(
            Buffer.alloc(head, 1),
            0x12,
            ...[items.map((bytes, n) => Buffer.alloc(bytes, n))],
            Buffer.alloc(tail, 2),
          ),
      );
    const partSize = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20_000 }));
    fc.assert(
      fc.property(
        fc.array(fc.oneof(whole, inPieces), { maxLength: 10 }),
        fc.array(partSize, { maxLength: 100 }),
        (messages, parts) => {
          const queue = new SendQueue();
          const output = new Output(new ChunkPool());
          const wanted = messages.map((each) => message(each instanceof ListMessage ? each.toBytes() : each));
          for (const each of messages) {
            if (each instanceof ListMessage) queue.addLists(divide(each));
            else queue.add(each.subarray(0, 7), each.subarray(7));
          }
          let [moved, completed] = [0, 0];
          for (const part of [...parts, 1_000_000]) {
            const count = Math.min(part, queue.size);
            completed += queue.moveTo(output, count);
            moved += count;
            assert.equal(output.size, moved);
          }
          const got = output.takeParts().map(({ bytes }) => bytes);
          assert.ok(Buffer.concat(got).equals(Buffer.concat(wanted)));
          assert.equal(completed, messages.length);
          assert.equal(queue.size, 0);
        },
      ),
      { examples: [[[new ListMessage(Buffer.of(), 0x12, [], Buffer.of())], []]] },
    );
  });

  test("a partly sent message in pieces releases the pieces once it is copied", () => {
    const items = [Buffer.alloc(300, 1), Buffer.alloc(20, 2)];
    const list = new ListMessage(Buffer.from("head"), 0x12, items, Buffer.from("tail"));
    const wanted = message(list.toBytes());
    const queue = new SendQueue();
    queue.addLists([list]);
    const output = new Output(new ChunkPool());
    queue.moveTo(output, 100);
    queue.copyLists(1);
    for (const item of items) item.fill(0);
    assert.equal(queue.moveTo(output, queue.size), 1);
    assert.ok(Buffer.concat(output.takeParts().map(({ bytes }) => bytes)).equals(wanted));
  });

  test("pieces that wait are copied a few at a time, the first ones first", () => {
    const items = Array.from({ length: 5 }, (_, n) => Buffer.alloc(100, n));
    const pieces = items.map((item) => new ListMessage(Buffer.of(), 0x12, [item], Buffer.of()));
    const [{ length }] = pieces as [ListMessage];
    const wanted = message(Buffer.concat(pieces.map((piece) => piece.toBytes())));
    const queue = new SendQueue();
    assert.equal(queue.addLists(pieces), wanted.length);
    assert.deepEqual(
      [2 * length, 0, length + 1, 10 * length, 10 * length].map((most) => queue.copyLists(most)),
      [2 * length, 0, 2 * length, length, 0],
    );
    for (const item of items) item.fill(9);
    const output = new Output(new ChunkPool());
    assert.equal(queue.moveTo(output, queue.size), 1);
    assert.ok(Buffer.concat(output.takeParts().map(({ bytes }) => bytes)).equals(wanted));
  });
});

describe("messages of a request", () => {
  test("any messages, cut at any bytes, arrive complete and leave no memory in use", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 20 }), (all, cuts) => {
        const bytes = Buffer.concat(all.map((each) => message(each)));
        const got: string[] = [];
        let partial = 0;
        const reader = new MessageReader(
          { maxMessageBytes: 100, encoding: undefined },
          { takePartial: (size) => (partial += size) > 0, givePartialBack: (size) => (partial -= size) },
          {
            onMessage: (each) => got.push(each.toString("hex")) > 0,
            onMessageError: ({ details }) => assert.fail(details),
          },
        );
        const places = [0, ...cuts.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        for (const [n, end] of places.entries()) reader.push(bytes, places[n - 1] ?? 0, end);
        assert.deepEqual(
          got,
          all.map((each) => Buffer.from(each).toString("hex")),
        );
        assert.equal(reader.isWithinMessage, false);
        assert.equal(partial, 0);
      }),
    );
  });

  test("garbage gives messages and at most one error", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (chunks) => {
        let errors = 0;
        const reader = new MessageReader(
          { maxMessageBytes: 100, encoding: "gzip" },
          { takePartial: () => true, givePartialBack: () => undefined },
          { onMessage: () => true, onMessageError: () => void (errors += 1) },
        );
        for (const chunk of chunks) if (errors === 0) reader.push(Buffer.from(chunk), 0, chunk.length);
        assert.ok(errors <= 1);
      }),
    );
  });
});

describe("grpc-message", () => {
  for (const [text, encoded] of [
    ["etcdserver: no leader", "etcdserver: no leader"],
    ["100%", "100%25"],
    ["a\nb", "a%0Ab"],
    ["Ä", "%C3%84"],
    ["€\x7f", "%E2%82%AC%7F"],
  ] as const)
    test(`${JSON.stringify(text)} is sent as ${encoded}`, () => assert.equal(encodeStatusMessage(text), encoded));
});
