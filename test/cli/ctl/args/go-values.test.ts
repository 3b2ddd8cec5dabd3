// Values as Go reads and writes them; each expectation is what etcdctl 3.4.23 does.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  formatBytes,
  formatDuration,
  parseBool,
  parseCounter,
  parseDurationMs,
  parseInt64,
  quote,
} from "../../../../cli/ctl/args/go-values.js";

const assertRefused = (parse: () => unknown, message: string) =>
  assert.throws(parse, (error: Error) => error.name === "ValueError" && error.message === message);

describe("numbers", () => {
  test("of base 0 take prefixes and underscores", () => {
    const numbers = {
      "0": 0n,
      "42": 42n,
      "-42": -42n,
      "+42": 42n,
      "0x5": 5n,
      "0XfF": 255n,
      "010": 8n,
      "0o10": 8n,
      "0b101": 5n,
      "1_000": 1000n,
      "0x_f": 15n,
      "9223372036854775807": 2n ** 63n - 1n,
      "-9223372036854775808": -(2n ** 63n),
    };
    for (const [text, value] of Object.entries(numbers)) assert.equal(parseInt64(text, 0), value, text);
    for (const text of ["", "-", "abc", "1.5", "1e3", "09", "0x", "_1", "1__0", "1_", " 1", "1 "])
      assertRefused(() => parseInt64(text, 0), `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    assertRefused(
      () => parseInt64("9223372036854775808", 0),
      'strconv.ParseInt: parsing "9223372036854775808": value out of range',
    );
  });

  test("of base 10 and 16 take digits only", () => {
    assert.equal(parseInt64("010", 10), 10n);
    assert.equal(parseInt64("-ff", 16), -255n);
    for (const text of ["0x5", "1_0", ""])
      assertRefused(() => parseInt64(text, 10), `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    assertRefused(() => parseInt64("zz", 16), 'strconv.ParseInt: parsing "zz": invalid syntax');
    assertRefused(
      () => parseInt64("ffffffffffffffff", 16),
      'strconv.ParseInt: parsing "ffffffffffffffff": value out of range',
    );
  });

  test("that count end at 2^53-1", () => {
    assert.equal(parseCounter("9223372036854775807", 0), Number.MAX_SAFE_INTEGER);
    assert.equal(parseCounter("7", 10), 7);
  });
});

test("booleans take only the texts that Go takes", () => {
  for (const text of ["1", "t", "T", "true", "TRUE", "True"]) assert.equal(parseBool(text), true);
  for (const text of ["0", "f", "F", "false", "FALSE", "False"]) assert.equal(parseBool(text), false);
  assertRefused(() => parseBool("maybe"), 'strconv.ParseBool: parsing "maybe": invalid syntax');
});

describe("durations", () => {
  test("are read in Go's units, up to 64 bits of nanoseconds", () => {
    const durations = {
      "0": 0,
      "5s": 5_000,
      "1h2m3.5s": 3_723_500,
      "100ms": 100,
      "-1s": -1_000,
      ".5s": 500,
      "1us": 1e-3,
      "1.5h0.5ms.5us": 5_400_000.5005,
      "2562047h47m16.854775807s": 9_223_372_036_854.775807,
      "-2562047h47m16.854775808s": -9_223_372_036_854.775808,
    };
    for (const [text, milliseconds] of Object.entries(durations)) assert.equal(parseDurationMs(text), milliseconds);
    for (const tooLong of ["2562047h47m16.854775808s", "99999999h", "99999999999999999999ns"])
      assertRefused(() => parseDurationMs(tooLong), `time: invalid duration "${tooLong}"`);
    assertRefused(() => parseDurationMs("x"), 'time: invalid duration "x"');
    assertRefused(() => parseDurationMs(""), 'time: invalid duration ""');
    assertRefused(() => parseDurationMs("1"), 'time: missing unit in duration "1"');
    assertRefused(() => parseDurationMs("5x"), 'time: unknown unit "x" in duration "5x"');
  });

  test("are written in the units that Go chooses", () => {
    const durations = [
      [0, "0s"],
      [1.472186, "1.472186ms"],
      [0.0125, "12.5µs"],
      [5_000, "5s"],
      [1_000.577437, "1.000577437s"],
      [90_000, "1m30s"],
      [3_600_000, "1h0m0s"],
      [3_723_500, "1h2m3.5s"],
      [-2_000, "-2s"],
    ] as const;
    for (const [milliseconds, text] of durations) assert.equal(formatDuration(milliseconds), text);
  });
});

test("sizes are rounded as etcdctl rounds them", () => {
  const sizes = {
    0: "0 B",
    9: "9 B",
    877: "877 B",
    1000: "1.0 kB",
    32768: "33 kB",
    4_100_000: "4.1 MB",
    2e9: "2.0 GB",
    20_480: "20 kB", // Go rounds 20.5 to the even number
    21_504: "22 kB",
  };
  for (const [bytes, text] of Object.entries(sizes)) assert.equal(formatBytes(Number(bytes)), text);
});

test("quoted text escapes what cannot be printed or is not UTF-8, and nothing else", () => {
  const texts = {
    plain: '"plain"',
    'a "b" \\ c': String.raw`"a \"b\" \\ c"`,
    "\x07\b\f\n\r\t\v\0\x7f": String.raw`"\a\b\f\n\r\t\v\x00\x7f"`,
    "ünï cödé 世界 😀": '"ünï cödé 世界 😀"',
    "\u00a0\u200b\u{10ffff}\ufffd": String.raw`"\u00a0\u200b\U0010ffff` + '\ufffd"',
  };
  for (const [text, quoted] of Object.entries(texts)) assert.equal(quote(text), quoted);
  // A stray byte, a truncated character, an overlong encoding of "/", a surrogate.
  const broken = Uint8Array.of(0xff, 0x61, 0xc3, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xc3, 0xa9);
  assert.equal(quote(broken), String.raw`"\xffa\xc3\xc0\xaf\xed\xa0\x80` + 'é"');
});
