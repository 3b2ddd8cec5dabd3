/** Indexed fields of HPACK's static table (RFC 7541, appendix A), one byte each. */
const methodPost = 0x80 | 3;
const schemeHttp = 0x80 | 6;
/** The index of the newest field of the dynamic table. */
const firstDynamic = 62;
/** The greatest index that fits into one byte. */
const maxOneByteIndex = 126;
/** The longest text whose length fits into one byte. */
const maxTextBytes = 126;

/**
 * Encodes the header blocks of requests as most clients do: the first call of a method adds its fields to the server's dynamic table,
 * later calls refer to them by index.
 */
export class RequestHeads {
  /** Fields of the server's dynamic table, oldest first. */
  private readonly added: string[] = [];
  /** The header blocks by path; valid while the table has `added` fields. */
  private readonly blocks = new Map<string, { readonly added: number; readonly bytes: Buffer }>();

  /** @param token of a login; undefined: requests have none */
  constructor(
    private readonly authority: string,
    private readonly token?: string,
  ) {}

  /** Encodes the header block of a call. */
  encode(path: string): Buffer {
    const before = this.added.length;
    const known = this.blocks.get(path);
    if (known?.added === before) return known.bytes;
    const fields: readonly (readonly [string, string])[] = [
      [":path", path],
      [":authority", this.authority],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      ["user-agent", "minietcd-bench"],
      ...(this.token === undefined ? [] : ([["token", this.token]] as const)),
    ];
    const bytes = Buffer.from([
      methodPost,
      schemeHttp,
      ...fields.flatMap(([name, value]) => this.encodeField(name, value)),
    ]);
    if (this.added.length === before) this.blocks.set(path, { added: before, bytes });
    return bytes;
  }

  private encodeField(name: string, value: string): number[] {
    const field = `${name} ${value}`;
    const position = this.added.indexOf(field);
    const index = firstDynamic + this.added.length - 1 - position;
    if (position !== -1 && index <= maxOneByteIndex) return [0x80 | index];
    this.added.push(field);
    return [0x40, ...encodeText(name), ...encodeText(value)];
  }
}

const encodeText = (value: string): number[] => {
  if (value.length > maxTextBytes) throw new RangeError(`"${value}" is too long for a header field here`);
  return [value.length, ...Buffer.from(value, "latin1")];
};
