// The counting of `npm run check`, on sources of a few lines.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ESLint } from "eslint";
import ts from "typescript";
import tseslint from "typescript-eslint";
import { callbackMembers, exportedNamesOf, openersIn, wideBagsOf } from "./counts.js";
import { isBeyond } from "./limits.js";
import { openersRule } from "./openers-rule.js";
import { cyclesOf } from "./sources.js";

/** Compiles scripts, by their names. */
const compileAll = (
  texts: Readonly<Record<string, string>>,
): { files: readonly ts.SourceFile[]; checker: ts.TypeChecker } => {
  const options: ts.CompilerOptions = { strict: true, noLib: true, noResolve: true };
  const files = new Map(
    Object.entries(texts).map(([name, text]) => [name, ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true)]),
  );
  const host: ts.CompilerHost = { ...ts.createCompilerHost(options), getSourceFile: (name) => files.get(name) };
  return { files: [...files.values()], checker: ts.createProgram([...files.keys()], options, host).getTypeChecker() };
};

const compile = (text: string): { file: ts.SourceFile; checker: ts.TypeChecker } => {
  const { files, checker } = compileAll({ "a.ts": text });
  return { file: files[0]!, checker };
};

/** Names of places, without file and line. */
const namesOf = (places: readonly string[]): string[] => places.map((place) => place.slice(place.indexOf(" ") + 1));

describe("function-typed members", () => {
  const count = (text: string): string[] => {
    const { file, checker } = compile(text);
    return namesOf(callbackMembers([file], checker));
  };

  it("are properties and methods, optional ones and those of an alias included", () => {
    const text = `
      type Listen = (event: string) => void;
      interface LinkOptions { a: () => void; b?: Listen; c: (() => void) | undefined; d(): void; e: string }
      type LinkListener = { readonly onClose: Listen };`;
    const expected = ["LinkOptions.a", "LinkOptions.b", "LinkOptions.c", "LinkOptions.d", "LinkListener.onClose"];
    assert.deepEqual(count(text), expected);
  });

  it("are not counted as methods of interfaces of other names, nor if an object with methods is passed", () => {
    const text = `
      export interface Clock { now(): number }
      interface Listener { close(): void }
      interface LinkOptions { clock: Clock }`;
    assert.deepEqual(count(text), []);
  });

  it("are counted in any interface if their names begin with on, and as properties if the interface is exported", () => {
    const text = `
      interface Sink { onPiece(bytes: string): void; one(): void; take: () => void }
      export interface Codec { encode: () => string; decode(): void }`;
    assert.deepEqual(count(text), ["Sink.onPiece", "Codec.encode"]);
  });

  it("are counted as properties of an interface that is not exported if another file writes down its objects", () => {
    const { files, checker } = compileAll({
      "a.ts": `
        interface Loop { step: () => void }
        interface Waiter { resolve: () => void }
        function run(loop: Loop): Waiter { return { resolve: loop.step }; }`,
      "b.ts": "run({ step: () => undefined });",
    });
    assert.deepEqual(namesOf(callbackMembers(files, checker)), ["Loop.step"]);
  });

  it("are not counted in an interface that classes implement, unless an object literal satisfies it", () => {
    const text = `
      interface Sink { onPiece(bytes: string): void }
      interface Visitor { onPiece(bytes: string): void; onEnd(): void }
      interface Timed extends Sink { onTime(): void }
      class Both implements Timed, Visitor { onPiece(bytes: string) {} onEnd() {} onTime() {} }
      const visitor: Visitor = { onPiece: () => undefined, onEnd: () => undefined };`;
    assert.deepEqual(count(text), ["Visitor.onPiece", "Visitor.onEnd"]);
  });
});

describe("option bags", () => {
  const fields = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, n) => `f${from + n}: number`).join("; ");
  const count = (text: string): string[] => {
    const { file, checker } = compile(text);
    return namesOf(wideBagsOf(file, checker));
  };

  it("are too wide with nine fields, not with eight", () => {
    const text = `interface AOptions { ${fields(0, 8)} } interface BOptions { ${fields(0, 9)} }`;
    assert.deepEqual(count(text), ["BOptions: 9 fields"]);
  });

  it("have the fields of the interfaces that they extend, and of the types that they join", () => {
    const text = `
      interface Base { ${fields(0, 5)} }
      interface AOptions extends Base { ${fields(5, 9)} }
      type BOptions = Base & { ${fields(5, 9)} };`;
    assert.deepEqual(count(text), ["AOptions: 9 fields", "BOptions: 9 fields"]);
  });

  it("are those of the given endings, except for the settings of a get", () => {
    const text = ["Settings", "MemberConfig", "Table", "GetSettings"]
      .map((name) => `interface ${name} { ${fields(0, 9)} }`)
      .join(" ");
    assert.deepEqual(count(text), ["Settings: 9 fields", "MemberConfig: 9 fields"]);
  });
});

describe("exported names", () => {
  it("are documented by a comment of their own, which one overload has", () => {
    const { file } = compile(`
      /** The head. */
      import type { x } from "y";
      export const a = 1, b = 2;
      /** A class. */
      export class C {}
      // Not a doc comment.
      export interface D {}
      /** Reads. */
      export function e(a: string): void;
      export function e(a: unknown): void {}
      /** A type that is not exported. */
      type F = string;
      export { x };`);
    const { all, undocumented } = exportedNamesOf(file);
    assert.deepEqual(
      [namesOf(all), namesOf(undocumented)],
      [
        ["a", "b", "C", "D", "e"],
        ["a", "b", "D"],
      ],
    );
  });
});

describe("openers of comments", () => {
  const text = `// What this file is for.
    /** So that. */
    export interface A {
      /** Which of them. */
      a: string;
      /**
       * In milliseconds.
       */
      b: number;
      /** The number of \`What\`. */
      c: number; // Those of a line are free.
    }
    // Who writes a comment that is no doc comment is free, too.
    /** @returns what it says */
    export const d = /\\/\\*\\* What is not a comment/;`;

  it("are counted by kind in doc comments and in the comment at a file's head", () => {
    const { riddles, pronouns, prepositions } = openersIn(compile(text).file);
    assert.deepEqual(
      riddles.map((place) => place.slice(0, place.indexOf(" "))),
      ["a.ts:1", "a.ts:2"],
    );
    assert.deepEqual(pronouns, ["a.ts:4 /** Which of them. */"]);
    assert.deepEqual(prepositions, ["a.ts:6 /** In milliseconds. */"]);
  });

  it("that are riddles are reported by lint, on the same lines", async () => {
    const eslint = new ESLint({
      overrideConfigFile: true,
      overrideConfig: {
        files: ["**/*.ts"],
        languageOptions: { parser: tseslint.parser },
        plugins: { minietcd: { rules: { openers: openersRule } } },
        rules: { "minietcd/openers": "error" },
      },
    });
    const [result] = await eslint.lintText(text, { filePath: "a.ts" });
    assert.deepEqual(
      result!.messages.map(({ ruleId, line }) => [ruleId, line]),
      [
        ["minietcd/openers", 1],
        ["minietcd/openers", 2],
      ],
    );
  });
});

describe("cycles", () => {
  it("are groups of files that import one another, and files that import themselves", () => {
    const imports = new Map([
      ["a", ["b"]],
      ["b", ["c", "d"]],
      ["c", ["a"]],
      ["d", ["d", "e"]],
      ["e", []],
    ]);
    assert.deepEqual(cyclesOf(imports), [["d"], ["a", "b", "c"]]);
  });
});

describe("limits", () => {
  it("allow their own values, and no worse ones", () => {
    const atMost = { title: "", limit: { atMost: 3 }, aim: "" };
    const atLeast = { title: "", limit: { atLeast: 3 }, aim: "" };
    assert.deepEqual(
      [2, 3, 4].map((value) => isBeyond(value, atMost)),
      [false, false, true],
    );
    assert.deepEqual(
      [2, 3, 4].map((value) => isBeyond(value, atLeast)),
      [true, false, false],
    );
  });
});
