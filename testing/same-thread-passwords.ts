import { hashSync } from "bcryptjs";
import { BcryptPasswords, type Passwords } from "../server/auth/index.js";
import type { Secrets } from "../server/member/index.js";

/** The least cost that bcrypt takes: a hash in a millisecond or two. */
const cost = 4;

/** Passwords hashed in the thread of the caller, as virtual time needs it, and with the caller's randomness. */
export const sameThreadPasswords = (random: () => number): Passwords => {
  const bcrypt = {
    hash: (password: string, salt: string) => Promise.resolve(hashSync(password, salt)),
    close: () => undefined,
  };
  return new BcryptPasswords(bcrypt, cost, (count) =>
    Uint8Array.from({ length: count }, () => Math.floor(random() * 256)),
  );
};

/** The secrets of a simulated member, which a seed repeats. Draws from `random` only once somebody has a password or logs in. */
export const makeSimulatedSecrets = (random: () => number): Secrets => ({
  passwords: sameThreadPasswords(random),
  randomBelow: (bound) => Math.floor(random() * bound),
});
