// Lint, and the rooms of docs/architecture.md.
import tseslint from "typescript-eslint";
import { openersRule } from "./test/structure/openers-rule.js";
import { roomsRule } from "./test/structure/rooms-rule.js";

/** Each room imports the doors of its neighbours, and nothing else of ours. */
const inRooms = {
  files: ["{platform,raft,store,server,client,cli,testing,proto}/**/*.ts"],
  plugins: { minietcd: { rules: { rooms: roomsRule } } },
  rules: { "minietcd/rooms": "error" },
};

/** raft/core is pure: time, disk, network and randomness reach it only as arguments. */
const pureCore = {
  files: ["raft/core/**/*.ts"],
  rules: {
    "no-restricted-imports": [
      "error",
      { patterns: [{ regex: "^(?!\\./)", message: "raft/core imports nothing but itself." }] },
    ],
    "no-restricted-globals": ["error", "process", "setTimeout", "setInterval", "setImmediate", "Buffer", "performance"],
    "no-restricted-properties": [
      "error",
      { object: "Math", property: "random", message: "Take the injected random source." },
      { object: "Date", property: "now", message: "Time is a message." },
    ],
  },
};

/** Clock and randomness reach store and server as injected interfaces (docs/architecture.md). */
const injected = {
  files: ["raft/**/*.ts", "store/**/*.ts", "server/**/*.ts"],
  rules: {
    "no-restricted-properties": [
      "error",
      { object: "Math", property: "random", message: "Take the injected random source." },
      { object: "Date", property: "now", message: "Take the injected clock." },
    ],
  },
};

/** Doc comments begin with a verb or an article. */
const openers = {
  files: ["**/*.ts"],
  plugins: { comments: { rules: { openers: openersRule } } },
  rules: { "comments/openers": "error" },
};

/** Simulations take whole members from the door of testing; a test of one room takes only the part that it needs. */
const simulations = {
  files: ["test/sim/**/*.ts", "bench/**/*.ts"],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            regex: "/testing/(?!(kit/)?index\\.js$)",
            message: "Import testing/ and testing/kit/ through their doors.",
          },
        ],
      },
    ],
  },
};

/** Examples import what the package exports. */
const examples = {
  files: ["examples/**/*.ts"],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            regex: "^(\\.\\./)+(?!\\.|(client|testing/kit)/index\\.js$|endpoints\\.js$)",
            message:
              "Examples import client/ and testing/kit/, which are minietcd/client and minietcd/testing to others.",
          },
        ],
      },
    ],
  },
};

/** Tests of the suite `unit` start no process (test/run.js). */
const unitTests = {
  files: ["test/**/*.test.ts"],
  ignores: ["test/{process,build,docs,examples,package,sim,interop,faults}/**"],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        paths: [
          {
            name: "node:child_process",
            importNames: ["spawn", "fork", "exec", "execFile"],
            message: "A test that starts processes belongs to test/process.",
          },
        ],
        patterns: [{ group: ["**/support/minietcd-*"], message: "A test of a real member belongs to test/process." }],
      },
    ],
  },
};

export default tseslint.config(
  { ignores: ["dist/", "dist.*/", "api/", "node_modules/", "data/", "proto/generated/"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-unnecessary-condition": ["error", { allowConstantLoopConditions: true }],
      "@typescript-eslint/no-confusing-void-expression": [
        "error",
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/prefer-nullish-coalescing": "off",
      eqeqeq: "error",
      "no-restricted-syntax": [
        "error",
        { selector: "ExportAllDeclaration", message: "A door lists its names one by one." },
        {
          // A predicate, or a verb in the third person with its object: `isClosed`, `usesTable`.
          selector:
            "PropertyDefinition[accessibility=private][value.raw=/^(true|false)$/]:not([key.name=/^(is|are|was|has|should|can|may|must|did|[a-z]+s)[A-Z]/])",
          message: "A private boolean field is named by a predicate: is, has, should, can, may.",
        },
      ],
    },
  },
  {
    // node:test's `test()` returns a promise that the runner owns.
    files: ["test/**/*.ts", "bench/**/*.ts", "examples/**/*.test.ts"],
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "describe", "it", "suite"] },
          ],
        },
      ],
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  injected,
  openers,
  simulations,
  examples,
  unitTests,
  pureCore,
  inRooms,
);
