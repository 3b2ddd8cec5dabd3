import { ServerError } from "../base/index.js";
import { RpcError, statusCode } from "../rpc/index.js";
import { JsonScanner } from "./json-scanner.js";

/** Bounds the memory of incomplete bodies, over all connections; a body beyond the bound is refused: too many requests. */
export class BodyBudget {
  private bytes = 0;

  constructor(private readonly max: number) {}

  /** @throws ServerError */
  reserveBytes(bytes: number): void {
    if (this.bytes + bytes > this.max) throw new ServerError("too-many-requests", "too many bodies are being received");
    this.bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.bytes -= bytes;
  }
}

const minCapacity = 512;

/** Finds the JSON values in a body that arrives in pieces. */
export class BodyReader {
  private readonly scanner = new JsonScanner();
  /** The beginning of an incomplete value, in a buffer with room for more. */
  private memory: Buffer = Buffer.alloc(0);
  private length = 0;

  /** @param maxBytes the maximum size of a value; a larger one is refused */
  constructor(
    private readonly maxBytes: number,
    private readonly budget: BodyBudget,
  ) {}

  /**
   * Reads a piece; only an incomplete value at its end is kept.
   *
   * @param onValue called with a value, without space before it; returns false to drop the rest
   * @throws InvalidJsonError, RpcError, ServerError: the reader must not be used any more
   */
  push(piece: Buffer, onValue: (json: Buffer) => boolean): void {
    let from = 0;
    for (;;) {
      if (this.scanner.isBetweenValues) from = skipSpace(piece, from);
      const end = this.scanner.scan(piece, from);
      if (end === -1) break;
      if (!onValue(this.takeValue(piece.subarray(from, end)))) return;
      from = end;
    }
    if (from < piece.length) this.keep(piece.subarray(from));
  }

  /** Ends the body. @throws InvalidJsonError if a value is incomplete */
  endBody(onValue: (json: Buffer) => boolean): void {
    if (this.scanner.endBody()) onValue(this.takeValue(Buffer.alloc(0)));
  }

  /** Frees the memory. May be called twice. */
  close(): void {
    this.budget.giveBack(this.memory.length);
    this.memory = Buffer.alloc(0);
    this.length = 0;
  }

  private takeValue(rest: Buffer): Buffer {
    if (this.length === 0) return rest;
    const value = Buffer.concat([this.memory.subarray(0, this.length), rest]);
    this.close();
    return value;
  }

  private keep(rest: Buffer): void {
    const length = this.length + rest.length;
    if (length > this.maxBytes)
      throw new RpcError({
        code: statusCode.resourceExhausted,
        details: `request body is larger than ${this.maxBytes} bytes`,
      });
    if (length > this.memory.length) this.grow(Math.max(minCapacity, length, this.memory.length * 2));
    this.memory.set(rest, this.length);
    this.length = length;
  }

  private grow(capacity: number): void {
    this.budget.reserveBytes(capacity - this.memory.length);
    const memory = Buffer.allocUnsafe(capacity);
    memory.set(this.memory.subarray(0, this.length));
    this.memory = memory;
  }
}

const skipSpace = (bytes: Buffer, from: number): number => {
  let at = from;
  while ([0x20, 0x0a, 0x0d, 0x09].includes(bytes[at] ?? 0)) at++;
  return at;
};
