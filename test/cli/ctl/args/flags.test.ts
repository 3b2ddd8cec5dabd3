// Command lines as Go's pflag reads them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { allArguments, booleanFlag, counterFlag, splitArguments, textFlag } from "../../../../cli/ctl/args/flags.js";

const options = [
  booleanFlag("--prefix", ""),
  booleanFlag("-i, --interactive", ""),
  booleanFlag("-h, --help", ""),
  textFlag("-w, --write-out <format>", ""),
  counterFlag("--limit <n>", ""),
];

/** Returns the flags as `name=value`, then the arguments. */
const split = (...words: string[]) => {
  const args = splitArguments(options, words);
  return [args.flags.map(({ option, value }) => `${option.name()}=${value}`), allArguments(args)];
};

describe("flags and arguments", () => {
  test("may be in any order; a value follows = or is the next argument", () => {
    assert.deepEqual(split("k", "--limit", "5", "end", "--write-out=json"), [
      ["limit=5", "write-out=json"],
      ["k", "end"],
    ]);
    assert.deepEqual(split("--limit=", "--limit", "--prefix"), [["limit=", "limit=--prefix"], []]);
  });

  test("a boolean takes a value only after =", () => {
    assert.deepEqual(split("--prefix", "false"), [["prefix=true"], ["false"]]);
    assert.deepEqual(split("--prefix=false", "--prefix=maybe"), [["prefix=false", "prefix=maybe"], []]);
  });

  test("short flags can be joined, the last with its value", () => {
    assert.deepEqual(split("-wjson", "-w=json", "-w", "json"), [
      ["write-out=json", "write-out=json", "write-out=json"],
      [],
    ]);
    assert.deepEqual(split("-ihwjson"), [["interactive=true", "help=true", "write-out=json"], []]);
    assert.deepEqual(split("-i=false"), [["interactive=false"], []]);
  });

  test("after -- everything is an argument; - and an empty word are arguments", () => {
    assert.deepEqual(split("a", "--", "--prefix", "-x", "--"), [[], ["a", "--prefix", "-x", "--"]]);
    assert.deepEqual(split("-", ""), [[], ["-", ""]]);
  });

  test("arguments after -- are distinguished from those before", () => {
    const { positional, afterDashes } = splitArguments(options, ["a", "--", "b", "--", "c"]);
    assert.deepEqual([positional, afterDashes], [["a"], ["b", "--", "c"]]);
    assert.deepEqual(splitArguments(options, ["a", "--"]).afterDashes, []);
    assert.equal(splitArguments(options, ["a"]).afterDashes, undefined);
  });
});

test("an unknown flag, or one without its value, is refused in pflag's words", () => {
  const refused = [
    [["--nope=1"], "unknown flag: --nope"],
    [["--pre"], "unknown flag: --pre"],
    [["--limit"], "flag needs an argument: --limit"],
    [["-ix"], "unknown shorthand flag: 'x' in -x"],
    [["-1"], "unknown shorthand flag: '1' in -1"],
    [["-iw"], "flag needs an argument: 'w' in -w"],
  ] as const;
  for (const [words, message] of refused)
    assert.throws(() => splitArguments(options, words, "a hint"), { name: "Failure", message, hint: "a hint" });
});
