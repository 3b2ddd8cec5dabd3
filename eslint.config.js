// Lint, and the import directions of docs/architecture.md: cli → client → proto, cli → server → {raft, store, proto}.
import tseslint from "typescript-eslint";

/** What each folder may import of the others; only their doors (`index.js`) are open. */
const mayImport = {
  platform: [],
  raft: ["platform"],
  proto: [],
  store: ["platform", "proto"],
  server: ["platform", "raft", "store", "proto"],
  client: ["proto"],
  cli: ["client", "server", "proto"],
};
const folders = Object.keys(mayImport);

const importRules = folders.map((folder) => {
  const closed = folders.filter((other) => other !== folder && !mayImport[folder].includes(other));
  const open = mayImport[folder];
  const patterns = [
    {
      regex: `^(\\.\\./)+(test|bench|examples)/`,
      message: "The product does not import its tests.",
    },
  ];
  if (closed.length > 0)
    patterns.push({
      regex: `^(\\.\\./)+(${closed.join("|")})/`,
      message: `${folder}/ may import only: ${open.join(", ") || "nothing of ours"}. See docs/architecture.md.`,
    });
  if (open.length > 0)
    patterns.push({
      regex: `^(\\.\\./)+(${open.join("|")})/(?!index\\.js$)`,
      message: "Import a folder through its door, index.js.",
    });
  return { files: [`${folder}/**/*.ts`], rules: { "no-restricted-imports": ["error", { patterns }] } };
});

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

export default tseslint.config(
  { ignores: ["dist/", "dist.*/", "node_modules/", "data/", "proto/generated/"] },
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
      ],
    },
  },
  {
    // node:test's `test()` returns a promise that the runner owns.
    files: ["test/**/*.ts", "bench/**/*.ts"],
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
  pureCore,
  ...importRules.filter((rule) => rule.files[0] !== "raft/**/*.ts"),
  // raft/core has the stricter rule above; the rest of raft gets raft's.
  { ...importRules.find((rule) => rule.files[0] === "raft/**/*.ts"), ignores: ["raft/core/**"] },
);
