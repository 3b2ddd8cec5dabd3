import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "../../../support/fast-check.js";
import { DynamicTable } from "../../../../server/net/http2/dynamic-table.js";
import { ConnectionError } from "../../../../server/net/http2/errors.js";
import { HeaderField, headerKind, staticTable } from "../../../../server/net/http2/header-field.js";
import { HpackDecoder } from "../../../../server/net/http2/hpack-decoder.js";
import { HpackEncoder } from "../../../../server/net/http2/hpack-encoder.js";
import { headerTableBytes, maxHeaderFields, maxHeaderListBytes } from "../../../../server/net/http2/limits.js";
import { LiteralCache } from "../../../../server/net/http2/literal-cache.js";
import { indexedField, integer, literal, sizeUpdate, text } from "./hpack-writer.js";

type Fields = [name: string, value: string][];

/** Decodes blocks of one connection. Returns the fields of the last. */
const decode = (decoder: HpackDecoder, ...blocks: Uint8Array[]): Fields => {
  for (const block of blocks) decoder.decode(Buffer.from(block), 0, block.length);
  return decoder.fields.map(({ name, value }) => [name, value]);
};

const decoder = (): HpackDecoder => new HpackDecoder(new LiteralCache());

const firstRequest: Fields = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const thirdRequest: Fields = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];

describe("HPACK decoder", () => {
  test("the static table has RFC 7541's 61 fields", () => {
    assert.equal(staticTable.length, 61);
    assert.deepEqual([staticTable[1]?.name, staticTable[1]?.value], [":method", "GET"]);
    assert.deepEqual([staticTable[15]?.name, staticTable[15]?.value], ["accept-encoding", "gzip, deflate"]);
    assert.deepEqual([staticTable[60]?.name, staticTable[60]?.value], ["www-authenticate", ""]);
  });

  for (const [how, blocks] of [
    [
      "plain (RFC 7541, C.3)",
      [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ],
    ],
    [
      "Huffman-coded (RFC 7541, C.4)",
      [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ],
    ],
  ] as const)
    test(`the requests of RFC 7541 are decoded: ${how}`, () => {
      const connection = decoder();
      const [first, second, third] = blocks.map((hex) => Buffer.from(hex, "hex"));
      assert.deepEqual(decode(connection, first!), firstRequest);
      assert.deepEqual(decode(connection, second!), [...firstRequest, ["cache-control", "no-cache"]]);
      assert.deepEqual(decode(connection, third!), thirdRequest);
    });

  test("a repeated field is the same object, by index or by its bytes, on any connection", () => {
    const literals = new LiteralCache();
    const one = new HpackDecoder(literals);
    const other = new HpackDecoder(literals);
    decode(one, literal("added", ":path", "/a.B/C"));
    const [field] = one.fields;
    decode(one, indexedField(62));
    assert.equal(one.fields[0], field);
    decode(other, literal("added", ":path", "/a.B/C"));
    assert.equal(other.fields[0], field);
    decode(other, literal("added", ":path", "/a.B/D"));
    assert.notEqual(other.fields[0], field);
  });

  test("a field that must not be indexed is not cached", () => {
    const connection = decoder();
    for (const name of ["token", 23]) {
      decode(connection, literal("never indexed", name, "secret"));
      const [first] = connection.fields;
      decode(connection, literal("never indexed", name, "secret"));
      assert.notEqual(connection.fields[0], first);
    }
    connection.forget();
    assert.equal(connection.fields.length, 0);
  });

  test("two literals with the same bytes behind different names are different fields", () => {
    const connection = decoder();
    assert.deepEqual(decode(connection, Buffer.concat([literal("not added", 4, "x"), literal("not added", 1, "x")])), [
      [":path", "x"],
      [":authority", "x"],
    ]);
  });

  for (const [what, block] of [
    ["index 0", indexedField(0)],
    ["an index beyond the tables", indexedField(62)],
    ["a name index beyond the tables", literal("added", 70, "v")],
    ["a size update after a field", Buffer.concat([indexedField(2), sizeUpdate(0)])],
    ["a size update beyond what is allowed", sizeUpdate(headerTableBytes + 1)],
    ["a string longer than the block", Buffer.of(0x00, 0x05, 0x61)],
    ["a length without an end", Buffer.of(0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ["a value that is missing", Buffer.of(0x04)],
    ["padding that is no Huffman code", Buffer.of(0x04, 0x81, 0x00)],
  ] as const)
    test(`${what} is a compression error`, () =>
      assert.throws(() => decode(decoder(), block), { name: "ConnectionError", code: 9 }));

  test("size updates at the beginning of a block empty the table and let it grow again", () => {
    const connection = decoder();
    decode(connection, literal("added", "a", "1"));
    assert.throws(
      () => decode(connection, Buffer.concat([sizeUpdate(0), sizeUpdate(4_096), indexedField(62)])),
      ConnectionError,
    );
    decode(connection, literal("added", "b", "2"));
    assert.deepEqual(decode(connection, indexedField(62)), [["b", "2"]]);
  });

  test("a list of more bytes or fields than allowed is refused, and the table stays correct", () => {
    const connection = decoder();
    const large = literal("added", "bomb", "x".repeat(4_000));
    const bomb = Buffer.concat([large, ...Array.from({ length: 10_000 }, () => indexedField(62))]);
    assert.equal(connection.decode(bomb, 0, bomb.length), false);
    assert.ok(connection.fields.reduce((sum, { size }) => sum + size, 0) <= maxHeaderListBytes);
    assert.equal(decode(connection, indexedField(62))[0]?.[0], "bomb");
    const many = Buffer.concat(Array.from({ length: maxHeaderFields + 1 }, () => indexedField(2)));
    assert.equal(connection.decode(many, 0, many.length), false);
    assert.equal(connection.decode(many, 1, many.length), true);
  });

  test("any fields, in any representation, are decoded as a plain list would be", () => {
    const field = fc.record({
      how: fc.constantFrom("added", "not added", "never indexed"),
      name: fc.oneof(fc.constantFrom("a", "grpc-timeout", "x".repeat(300)), fc.stringMatching(/^[a-z]{1,20}$/)),
      value: fc.oneof(fc.constantFrom("", "1", "y".repeat(400)), fc.stringMatching(/^[ -~]{0,40}$/)),
      isHuffman: fc.boolean(),
      again: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fc.array(field, { maxLength: 12 }), { maxLength: 8 }), (blocks) => {
        const connection = decoder();
        const table = new DynamicTable(headerTableBytes);
        for (const fields of blocks) {
          const parts: Buffer[] = [];
          const wanted: Fields = [];
          for (const { how, name, value, isHuffman, again } of fields) {
            parts.push(literal(how, name, value, isHuffman));
            wanted.push([name, value]);
            if (how === "added") table.add(new HeaderField(name, value));
            const newest = again ? table.get(0) : undefined;
            if (newest === undefined) continue;
            parts.push(indexedField(62));
            wanted.push([newest.name, newest.value]);
          }
          assert.deepEqual(decode(connection, Buffer.concat(parts)), wanted);
        }
      }),
    );
  });

  test("garbage is decoded or is a compression error, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
        const connection = decoder();
        try {
          decode(connection, ...blocks);
        } catch (error) {
          assert.ok(error instanceof ConnectionError && error.code === 9, String(error));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("dynamic table", () => {
  test("any additions and sizes leave what a plain list would have", () => {
    const step = fc.oneof(fc.record({ add: fc.nat(300) }), fc.record({ resize: fc.nat(500) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const table = new DynamicTable(500);
        let list: HeaderField[] = [];
        let most = 500;
        const fit = (): void => {
          while (list.reduce((sum, { size }) => sum + size, 0) > most) list.pop();
        };
        for (const each of steps) {
          if ("add" in each) {
            const field = new HeaderField("n", "v".repeat(each.add));
            table.add(field);
            list = [field, ...list];
          } else {
            most = each.resize;
            table.resize(most);
          }
          fit();
          assert.deepEqual(
            Array.from({ length: table.length }, (_, n) => table.get(n)),
            list,
          );
          assert.equal(table.get(table.length), undefined);
        }
      }),
    );
  });
});

describe("header fields", () => {
  for (const [name, value, kind] of [
    [":path", "/a", headerKind.path],
    ["x-any", "1", headerKind.regular],
    ["te", "trailers", headerKind.regular],
    ["te", "gzip", headerKind.malformed],
    ["Upper", "1", headerKind.malformed],
    ["", "1", headerKind.malformed],
    ["connection", "close", headerKind.malformed],
    [":status", "200", headerKind.malformed],
    ["x-any", "a\r\nb", headerKind.malformed],
    ["grpc-timeout", "1\0", headerKind.malformed],
  ] as const)
    test(`${name}: ${JSON.stringify(value)} is checked once`, () =>
      assert.equal(new HeaderField(name, value).kind, kind));
});

describe("HPACK encoder", () => {
  /** Returns the blocks of responses, and their fields as a client decodes them. */
  const setUp = () => {
    const encoder = new HpackEncoder();
    const client = decoder();
    const lengths: number[] = [];
    const read = (write: (bytes: Buffer, at: number) => number): Fields => {
      const bytes = Buffer.alloc(500);
      const end = write(bytes, 0);
      lengths.push(end);
      return decode(client, bytes.subarray(0, end));
    };
    return { encoder, client, read, lengths };
  };
  const headers: Fields = [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ];

  test("the second answer's headers are two bytes and its trailers one", () => {
    const { encoder, read, lengths } = setUp();
    for (let n = 0; n < 3; n++) {
      assert.deepEqual(
        read((bytes, at) => encoder.writeHeaders(bytes, at)),
        headers,
      );
      assert.deepEqual(
        read((bytes, at) => encoder.writeOkTrailers(bytes, at)),
        [["grpc-status", "0"]],
      );
    }
    assert.deepEqual(lengths.slice(2), [2, 1, 2, 1]);
  });

  test("a client with a smaller table gets one size update to 0, and then literals", () => {
    const { encoder, read, lengths } = setUp();
    read((bytes, at) => encoder.writeHeaders(bytes, at));
    encoder.setTableSize(100);
    encoder.setTableSize(4_096);
    for (let n = 0; n < 2; n++) {
      assert.deepEqual(
        read((bytes, at) => encoder.writeOkTrailers(bytes, at)),
        [["grpc-status", "0"]],
      );
      assert.deepEqual(
        read((bytes, at) => encoder.writeHeaders(bytes, at)),
        headers,
      );
    }
    assert.equal(lengths[1], lengths[3]! + 1);
  });

  test("other fields and statuses are spelled out", () => {
    const { encoder, read } = setUp();
    const long = "x".repeat(300);
    assert.deepEqual(
      read((bytes, at) => encoder.writeField(bytes, encoder.writeHeadersOfError(bytes, at, 415), "grpc-message", long)),
      [[":status", "415"], headers[1], ["grpc-message", long]],
    );
  });

  test("the integers of RFC 7541 are encoded as there", () => {
    assert.deepEqual(integer(1337, 5), Buffer.of(31, 154, 10));
    assert.deepEqual(text("ab"), Buffer.of(2, 0x61, 0x62));
  });
});
