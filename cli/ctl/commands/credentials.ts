// The user that a command acts as, from the global flags.
import type { Credentials } from "../../../client/index.js";
import { askPassword, type Io } from "../args/index.js";
import type { Globals } from "./globals.js";

/**
 * Reads user and password or token from the flags, as etcdctl does; prompts for a missing password.
 *
 * @returns undefined if the command has no user: no flags, an empty name, or an empty password, as with Go's client
 */
export async function credentialsOf(
  { user, password, authJwtToken: token }: Globals,
  io: Io,
): Promise<Credentials | undefined> {
  return token === "" ? passwordCredentials({ user, password }, "Password: ", io) : { token };
}

/** Flags of a user: `name` or `name:password`. If both passwords are empty, the command prompts for one. */
export type UserFlags = Pick<Globals, "user" | "password">;

/** Reads user and password, also for another cluster than the global flags'. @returns as `credentialsOf` */
export async function passwordCredentials(
  { user: given, password: passwordFlag }: UserFlags,
  prompt: string,
  io: Io,
): Promise<Credentials | undefined> {
  if (given === "") return undefined;
  const colon = passwordFlag === "" ? given.indexOf(":") : -1;
  const user = colon < 0 ? given : given.slice(0, colon);
  const password = colon < 0 ? passwordFlag || (await askPassword(prompt, io)) : given.slice(colon + 1);
  return user === "" || password === "" ? undefined : { user, password };
}
