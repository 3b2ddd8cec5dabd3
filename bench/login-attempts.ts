// Makes logins with wrong passwords, in a process of its own, so many at a time.

import { AuthError, Client } from "../client/index.js";

export interface LoginCommand {
  readonly kind: "begin";
  readonly endpoint: string;
  /** Half of the logins are of a user that there is, half of unknown ones. */
  readonly user: string;
  readonly logins: number;
  readonly atOnce: number;
}

export type LoginMessage =
  { readonly kind: "ready" } | { readonly kind: "done"; readonly seconds: number; readonly refused: number };

const timeoutMs = 120_000;

/** Logs in again and again over a connection of its own, until all logins are made. Returns the number of wrong passwords. */
const attempt = async (endpoint: string, user: string, next: () => boolean): Promise<number> => {
  const auth = { user, password: "wrong" };
  await using client = new Client({ endpoints: [endpoint], auth, requestTimeoutMs: timeoutMs });
  let refused = 0;
  while (next())
    try {
      await client.auth.login();
    } catch (error) {
      if (!(error instanceof AuthError) || error.reason !== "wrong-password") throw error;
      refused++;
    }
  return refused;
};

const run = async ({ endpoint, user, logins, atOnce }: LoginCommand): Promise<LoginMessage> => {
  let begun = 0;
  const next = (): boolean => begun++ < logins;
  const beganAt = performance.now();
  const refused = await Promise.all(
    Array.from({ length: atOnce }, (_, n) => attempt(endpoint, n % 2 === 0 ? user : `${user}${n}`, next)),
  );
  return {
    kind: "done",
    seconds: (performance.now() - beganAt) / 1_000,
    refused: refused.reduce((sum, count) => sum + count, 0),
  };
};

/** Only as the process that the bench forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("login-attempts.ts")) {
  const tell = (message: LoginMessage): void => void process.send?.(message);
  process.once("disconnect", () => process.exit());
  process.on("message", (command: LoginCommand) => {
    void run(command).then(tell);
  });
  tell({ kind: "ready" });
}
