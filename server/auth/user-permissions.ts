import { type Permission, Permission_Type, type Role } from "../../proto/index.js";
import { KeyCover } from "./key-cover.js";
import { endOf, type KeyRange, keyText } from "./key-range.js";

/** The permissions of a user: those of all its roles, merged. */
export class UserPermissions {
  private readonly readable: KeyCover;
  private readonly writable: KeyCover;

  constructor(roles: readonly Role[]) {
    const permissions = roles.flatMap(({ keyPermission }) => keyPermission);
    this.readable = coverOf(permissions, Permission_Type.READ);
    this.writable = coverOf(permissions, Permission_Type.WRITE);
  }

  /** Whether all keys of a range may be read. */
  mayRead(range: KeyRange): boolean {
    return isCovered(range, this.readable);
  }

  /** Whether all keys of a range may be written. */
  mayWrite(range: KeyRange): boolean {
    return isCovered(range, this.writable);
  }

  /** Returns the end of the readable keys from `key` on, without a gap; undefined: `key` itself may not be read. */
  readableUntil(key: string): string | undefined {
    return this.readable.endFrom(key);
  }

  /** Returns the end of the writable keys from `key` on, without a gap; undefined: `key` itself may not be written. */
  writableUntil(key: string): string | undefined {
    return this.writable.endFrom(key);
  }
}

const isCovered = (range: KeyRange, cover: KeyCover): boolean => {
  const from = keyText(range.key);
  return cover.isCovered(from, endOf(from, range));
};

const coverOf = (permissions: readonly Permission[], type: Permission_Type): KeyCover =>
  new KeyCover(
    permissions
      .filter(({ permType }) => permType === type || permType === Permission_Type.READWRITE)
      .map((permission) => {
        const from = keyText(permission.key);
        return { from, to: endOf(from, permission) };
      }),
  );
