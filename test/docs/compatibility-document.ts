// Generates docs/compatibility.md from the descriptors of etcd's messages, the method table, the routes, the table of flags, and the
// commands of both command-line tools.

import { createFileRegistry, type DescMessage, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { createProgram } from "../../cli/ctl/program.js";
import { fileDescriptorSet } from "../../proto/index.js";
import { configFromFlags, defaultFlags } from "../../server/config/config.js";
import { flagGroups } from "../../server/config/flag-table.js";
import type { Flag } from "../../server/config/flag.js";
import { routes } from "../../server/gateway/routes.js";
import { memberServices } from "../../server/member/serving.js";
import { commandNotes, fieldNotes, methodNotes, pathNotes } from "./compatibility-notes.js";
import { etcdctlCommands, etcdctlGlobalFlags } from "./etcdctl-commands.js";

const introduction = `# Compatibility with etcd 3.7

This page lists every method, field, path, flag and command of etcd 3.7, and its state in minietcd. It is generated from the descriptors of
etcd's messages, the tables of methods, paths and flags, and the help of etcdctl 3.7.3
(\`UPDATE_DOCS=1 node test/run.js process docs/compatibility\`).

- **same**: the same answers and errors, as far as the tests that compare minietcd with etcd can tell (\`test/interop/differential\`, \`test/interop/auth\`).
- **differs**: differs as stated; [differences.md](differences.md) has all differences with their reasons.
- **not yet**, **refused**: answered with an error that says so.
`;

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, "base64")));
const services: readonly DescService[] = [...registry].filter((each) => each.kind === "service");

/** Stands for every component of a member: the table of methods is built without calling any method. */
const anything: unknown = new Proxy(() => undefined, { get: () => anything, apply: () => anything });
const parts = { node: anything, store: anything, quota: anything, applier: anything, tokens: anything };
const replica: unknown = { clusterId: 1n, id: 1n, ...parts };
const { methods } = memberServices(
  configFromFlags(defaultFlags),
  { clock: anything, random: () => 0.5 } as Parameters<typeof memberServices>[1],
  replica as Parameters<typeof memberServices>[2],
);
const missing = new Set(methods.filter(({ kind }) => kind === "unimplemented").map(({ path }) => path));

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
const names = (list: readonly string[]): string => list.map((name) => `\`${name}\``).join(", ");

/** Returns the name of a method without its package. */
const methodName = (path: string): string => path.replace(/^\/(\w+\.)*/, "").replace("/", ".");
const outcomeOf = (path: string): string => {
  if (missing.has(path)) return "not yet: UNIMPLEMENTED";
  const note = methodNotes[methodName(path)];
  return note === undefined ? "same" : `differs: ${note}`;
};

const pathsOf = (service: DescService): string[] =>
  service.methods.map((method) => `/${service.typeName}/${method.name}`);
const methodRows = (): string[][] =>
  services.flatMap(pathsOf).map((path) => [`\`${methodName(path)}\``, outcomeOf(path)]);

/** Returns the request and response messages of the available methods, with all messages inside them. */
function messages(): DescMessage[] {
  const found = new Set<DescMessage>();
  const add = (message: DescMessage): void => {
    if (found.has(message)) return;
    found.add(message);
    for (const { message: inner } of message.fields) if (inner !== undefined) add(inner);
  };
  for (const service of services)
    for (const { name, input, output } of service.methods)
      if (!missing.has(`/${service.typeName}/${name}`)) [input, output].forEach(add);
  return [...found];
}

const messageRows = (): string[][] =>
  messages().map(({ name, fields }) => {
    const noteOf = (field: string) => fieldNotes[`${name}.${field}`];
    const fieldNames = fields.map((field) => field.name);
    const different = fieldNames.filter((field) => noteOf(field) !== undefined);
    return [
      `\`${name}\``,
      names(fieldNames.filter((field) => noteOf(field) === undefined)),
      different.map((field) => `\`${field}\`: ${noteOf(field)}`).join("; "),
    ];
  });

const pathRows = (): string[][] => [
  ...[...routes].map(([path, method]) => [`POST \`${path}\``, outcomeOf(method)]),
  ...Object.entries(pathNotes).map(([path, note]) => [`GET \`${path}\``, note]),
];

const flagRows = (): string[][] =>
  flagGroups.flatMap(({ title, flags }) => {
    const current = flags.filter(({ until, effect }) => until === undefined && effect.kind !== "same-as");
    const of = (kind: Flag["effect"]["kind"]) =>
      names(current.filter(({ effect }) => effect.kind === kind).map(({ name }) => `--${name}`));
    return [[title, of("works"), of("no-effect"), of("refused")]];
  });

/** Returns the commands that are not groups, with the words of each. */
function commandsOf(parent: Command, words: readonly string[] = []): [string, Command][] {
  return parent.commands.flatMap((command) => {
    const all = [...words, command.name()];
    return command.commands.length > 0 ? commandsOf(command, all) : [[all.join(" "), command] as [string, Command]];
  });
}

const flagsOf = (command: Command): string[] =>
  command.options.flatMap(({ long }) => (long === undefined ? [] : [long.slice(2)]));

const commandRows = (): string[][] => {
  const program = createProgram({} as Parameters<typeof createProgram>[0]);
  const globalFlags = new Set(flagsOf(program));
  const ours = new Map(commandsOf(program));
  const rows = Object.entries(etcdctlCommands).map(([words, flags]) => {
    const command = ours.get(words);
    if (command === undefined) return [`\`${words}\``, "not yet", ""];
    const known = new Set([...flagsOf(command), ...globalFlags]);
    const absent = flags.filter((flag) => !known.has(flag));
    const note = commandNotes[words];
    return [`\`${words}\``, note === undefined ? "same" : `differs: ${note}`, names(absent.map((flag) => `--${flag}`))];
  });
  const absent = etcdctlGlobalFlags.filter((flag) => !globalFlags.has(flag));
  return [["flags of every command", "same", names(absent.map((flag) => `--${flag}`))], ...rows];
};

/** Returns the notes on methods, fields, paths or commands that do not exist. */
export function findStaleNotes(): string[] {
  const known = new Set([
    ...services.flatMap(pathsOf).map(methodName),
    ...messages().flatMap(({ name, fields }) => fields.map((field) => `${name}.${field.name}`)),
    ...Object.keys(etcdctlCommands),
  ]);
  return Object.keys({ ...methodNotes, ...fieldNotes, ...commandNotes }).filter((name) => !known.has(name));
}

/** Returns the document. */
export const compatibilityDocument = (): string =>
  [
    introduction,
    "## Methods\n",
    table(["method", "minietcd"], methodRows()),
    "\n## Messages\n",
    "Only messages of implemented methods are listed.\n",
    table(["message", "fields that are the same", "fields that differ"], messageRows()),
    "\n## Paths of HTTP/1.1\n",
    "These paths are on the client URLs; a path of the gateway has the state of its method.\n",
    table(["path", "minietcd"], pathRows()),
    "\n## Flags of the server\n",
    "Details of each flag: [flags.md](flags.md).\n",
    table(["group", "works", "accepted, no effect", "refused"], flagRows()),
    "\n## Commands\n",
    "The table compares minietcdctl with etcdctl 3.7.3.\n",
    table(["command", "minietcdctl", "missing flags"], commandRows()),
    "",
  ].join("\n");
