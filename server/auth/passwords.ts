// Passwords as etcd stores them: bcrypt hashes, exchangeable with etcd.

import { timingSafeEqual } from "node:crypto";
import { ServerError } from "../base/index.js";

/**
 * The number of bytes of a password that bcrypt uses. A longer password cannot be set; at a login the rest is ignored, as in
 * etcd.
 */
const maxPasswordBytes = 72;

const saltBytes = 16;
/** The number of characters of a hash, and of its beginning: version, cost and salt. */
const hashLength = 60;
const saltLength = 29;

/** Hashes passwords and verifies them. */
export interface Passwords {
  /** @throws ServerError `password-too-long`, `too-many-requests`, `server-stopped` */
  hash(password: string): Promise<string>;
  /**
   * Checks a password against a hash.
   *
   * @param hash undefined: there is no such user. The answer is false, after the same time as with a hash
   * @throws ServerError `too-many-requests`, `server-stopped`
   */
  verify(password: string, hash: string | undefined): Promise<boolean>;
  /** Refuses further passwords, and the queued ones. */
  close(): void;
}

/** An implementation of bcrypt. */
export interface Bcrypt {
  /** @param salt version, cost and salt: the beginning of a hash */
  hash(password: string, salt: string): Promise<string>;
  close(): void;
}

/** Passwords with a random salt each. */
export class BcryptPasswords implements Passwords {
  /** The hash for passwords of unknown users. */
  private decoy: string | undefined;

  /**
   * @param cost the logarithm of the number of rounds, from 4 to 31
   * @param randomBytes returns random bytes for a salt
   */
  constructor(
    private readonly bcrypt: Bcrypt,
    private readonly cost: number,
    private readonly randomBytes: (count: number) => Uint8Array,
  ) {}

  async hash(password: string): Promise<string> {
    if (Buffer.byteLength(password) > maxPasswordBytes)
      throw new ServerError("password-too-long", `a password has at most ${maxPasswordBytes} bytes`);
    return this.bcrypt.hash(password, this.createSalt());
  }

  async verify(password: string, hash: string | undefined): Promise<boolean> {
    const known = hash !== undefined && isHash(hash);
    const expected = known ? hash : (this.decoy ??= this.createSalt().padEnd(hashLength, "."));
    const actual = await this.bcrypt.hash(readPart(password), expected.slice(0, saltLength));
    return timingSafeEqual(Buffer.from(actual), Buffer.from(expected)) && known;
  }

  close(): void {
    this.bcrypt.close();
  }

  /** Returns a salt of version 2a, as etcd's. */
  private createSalt(): string {
    return `$2a$${String(this.cost).padStart(2, "0")}$${encodeSalt(this.randomBytes(saltBytes))}`;
  }
}

/**
 * Returns the part of a password that bcrypt uses, as a string that does not retain a longer one. A character has at least one
 * byte, and at most two code units, of which the last may be cut off.
 */
const readPart = (password: string): string =>
  password.length <= maxPasswordBytes ? password : Buffer.from(password.slice(0, maxPasswordBytes + 1)).toString();

/** Whether a text is a bcrypt hash: version 2a, 2b or 2y, which are the same; a valid cost; salt and hash. */
const isHash = (text: string): boolean => /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/.test(text);

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Encodes in bcrypt's base64: a different alphabet, without padding. */
const encodeSalt = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString("base64")
    .replaceAll("=", "")
    .replaceAll(/./g, (digit) => bcryptAlphabet.charAt(base64Alphabet.indexOf(digit)));
