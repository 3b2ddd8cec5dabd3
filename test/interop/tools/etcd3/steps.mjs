// Shared parts of the programs on npm's etcd3: a client over mutual TLS, a deadline, and the output of each step.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const { Etcd3, isRecoverableError } = createRequire(join(process.cwd(), "package.json"))("etcd3");

const deadlineMs = 30_000;
const [endpoint = "", ca = "", cert = "", key = "", slowness = "1", ...rest] = process.argv.slice(2);
const deadline = setTimeout(
  () => {
    console.error("the deadline is over");
    process.exit(1);
  },
  deadlineMs * Number(slowness),
);

/** Arguments after ENDPOINT CA CERT KEY SLOWNESS. */
export const ownArguments = rest;

export const say = (...words) => console.log(...words);

/** Prints how an attempt is refused. */
export const expectRefusal = async (name, attempt) => {
  try {
    await attempt();
  } catch (error) {
    say(name, "refused:", error.constructor.name, error.message, isRecoverableError(error));
    return;
  }
  throw new Error(`${name} was not refused`);
};

/** Connects, as a user if `auth` is given. */
export const connect = (auth) =>
  new Etcd3({
    hosts: endpoint,
    credentials: { rootCertificate: readFileSync(ca), certChain: readFileSync(cert), privateKey: readFileSync(key) },
    auth,
  });

/** Stops the deadline's timer. */
export const finish = () => clearTimeout(deadline);
