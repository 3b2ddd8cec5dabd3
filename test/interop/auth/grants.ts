// Users of the matrix: the intervals of keys that each may read and write.

/** An interval as on the wire: one key, `[key, rangeEnd)`, or with the range end \0 all keys from `key` on. */
export interface Span {
  readonly key: string;
  readonly rangeEnd: string;
}

/** The types of a permission, as on the wire. */
export const permissionTypes = { read: 0, write: 1, readwrite: 2 } as const;

export interface Grant extends Span {
  readonly permType: 0 | 1 | 2;
}

/** A user with one role for each grant. */
export interface MatrixUser {
  readonly name: string;
  readonly grants: readonly Grant[];
}

export const span = (key: string, rangeEnd = ""): Span => ({ key, rangeEnd });

/** The range end of an interval without an end. */
export const open = "\0";

/** Ways to grant `[f, m)` or parts of it, in one permission or in several. */
const coverages: Readonly<Record<string, readonly Span[]>> = {
  "one key": [span("f")],
  range: [span("f", "m")],
  prefix: [span("f/", "f0")],
  "open end": [span("f", open)],
  everything: [span("\0", open)],
  adjoining: [span("f", "i"), span("i", "m")],
  overlapping: [span("f", "j"), span("h", "m")],
  "with a gap": [span("f", "h"), span("i", "m")],
  "key and rest": [span("f"), span("f\0", "m")],
  "key in a gap": [span("f", "h"), span("h"), span("h\0", "m")],
  "one within the other": [span("f", "m"), span("h", "i")],
  "range and open end": [span("f", "i"), span("i", open)],
  "two of one start": [span("f", "h"), span("f", "m")],
};

const alike = Object.entries(coverages).flatMap(([coverage, spans]) =>
  Object.entries(permissionTypes).map(([type, permType]): MatrixUser => ({
    name: `${type} ${coverage}`,
    grants: spans.map((each) => ({ ...each, permType })),
  })),
);

const { read, write, readwrite } = permissionTypes;

/** Several permissions of different types. */
const mixed: readonly MatrixUser[] = [
  { name: "read first, write second", grants: [grant(read, "f", "i"), grant(write, "i", "m")] },
  { name: "read all, write part", grants: [grant(read, "f", "m"), grant(write, "h", "k")] },
  { name: "write all, read part", grants: [grant(write, "f", "m"), grant(read, "h", "k")] },
  { name: "read and write of one range", grants: [grant(read, "f", "m"), grant(write, "f", "m\0")] },
  { name: "readwrite first, read open end", grants: [grant(readwrite, "f", "i"), grant(read, "i", open)] },
];

function grant(permType: 0 | 1 | 2, key: string, rangeEnd = ""): Grant {
  return { permType, key, rangeEnd };
}

/** Users with permissions, and one without. */
export const matrixUsers: readonly MatrixUser[] = [{ name: "nothing", grants: [] }, ...alike, ...mixed];
