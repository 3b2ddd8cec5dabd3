// minietcdctl make-mirror
import { Command } from "commander";
import {
  booleanFlag,
  counterFlag,
  exitCodes,
  Failure,
  type Io,
  SilentFailure,
  runStoppable,
  textFlag,
} from "../args/index.js";
import { passwordCredentials } from "./credentials.js";
import { type MirrorPlan, Mirroring } from "./mirroring.js";
import { type Session, withSession } from "./session.js";
import { tlsOfFiles } from "./tls-flags.js";

/** Flags of `make-mirror`. */
interface MirrorFlags {
  readonly prefix: string;
  readonly rev: number;
  readonly maxTxnOps: number;
  readonly destPrefix: string;
  readonly noDestPrefix: boolean;
  readonly destCert: string;
  readonly destKey: string;
  readonly destCacert: string;
  readonly destInsecureTransport: boolean;
  readonly destUser: string;
  readonly destPassword: string;
}

const examples = `
Copies the keys and then each change, until SIGINT or SIGTERM; prints the number of copied keys and deletions every
30 seconds. If the destination does not answer, the command retries for a minute. At the end, the revision to continue from with
--rev is printed on standard error.

Examples:
  $ minietcdctl make-mirror --prefix config/ 10.0.0.7:2379
  $ minietcdctl make-mirror --prefix config/ --dest-prefix copy/ --dest-cacert ca.pem https://10.0.0.7:2379
  $ minietcdctl make-mirror --prefix config/ --rev 1234 10.0.0.7:2379
  $ minietcdctl make-mirror --prefix config/ --user reader --dest-user writer 10.0.0.7:2379`;

/** Declares `make-mirror`, with its help. */
export const makeMirrorCommand = (): Command =>
  new Command("make-mirror")
    .description("Copies keys, and then every change, to another cluster")
    .usage("[options] <destination>")
    .addOption(textFlag("--prefix <prefix>", "copy the keys with this prefix; empty: all"))
    .addOption(
      counterFlag("--rev <revision>", "copy the changes from this revision on; 0 or 1: the keys, then the changes"),
    )
    .addOption(
      counterFlag("--max-txn-ops <n>", "maximum number of operations in a transaction at the destination", 128),
    )
    .addOption(textFlag("--dest-prefix <prefix>", "prefix at the destination, instead of --prefix"))
    .addOption(booleanFlag("--no-dest-prefix", "remove the prefix at the destination"))
    .addOption(textFlag("--dest-cacert <file>", "authorities that verify the destination's TLS certificate, PEM"))
    .addOption(textFlag("--dest-cert <file>", "TLS certificate to present to the destination, PEM"))
    .addOption(textFlag("--dest-key <file>", "private key of the certificate, PEM"))
    .addOption(
      booleanFlag(
        "--dest-insecure-transport",
        "without certificates, use no TLS for a destination without a scheme",
        true,
      ),
    )
    .addOption(
      textFlag("--dest-user <name>", "user name at the destination, or name:password; prompts for a missing password"),
    )
    .addOption(textFlag("--dest-password <password>", "password of --dest-user, whose name may then contain a colon"))
    .addHelpText("after", examples);

/** Time between two reports. */
const reportMs = 30_000;

/** Copies until the program is stopped. */
export async function runMakeMirror(command: Command, io: Io): Promise<void> {
  const [destination, ...more] = command.args;
  const flags = command.opts<MirrorFlags>();
  const refuse = (reason: string) => new Failure(exitCodes.badArguments, reason);
  if (destination === undefined || more.length > 0) throw refuse("make-mirror takes one destination argument");
  if (flags.noDestPrefix && flags.destPrefix !== "")
    throw refuse("`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one");
  if (flags.maxTxnOps < 1) throw refuse("--max-txn-ops must be above 0");
  const { destUser: user, destPassword: password } = flags;
  const auth = await passwordCredentials({ user, password }, "Destination Password: ", io);
  await withSession(command, io, async (session) => {
    const { destCert: cert, destKey: key, destCacert: cacert, destInsecureTransport: insecureTransport } = flags;
    const tls = tlsOfFiles({ cert, key, cacert, insecureTransport });
    await using target = await session.connectTo(destination, { tls, auth });
    const mirroring = new Mirroring(session.client, target, planOf(flags, session), io);
    await runStoppable(io, (stop) => mirrorUntil(stop, mirroring, io));
  });
}

const planOf = (flags: MirrorFlags, { limits }: Session): MirrorPlan => ({
  prefix: flags.prefix,
  destPrefix: flags.noDestPrefix || flags.destPrefix !== "" ? flags.destPrefix : flags.prefix,
  revision: flags.rev > 1 ? flags.rev : 0, // from revision 1, copying the keys without their history is enough, as in etcdctl
  maxTxnOps: flags.maxTxnOps,
  limits,
});

/** Exit codes that a shell reports for a program that a signal ended: 128 plus the signal's number. */
const stoppedBy: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };

/** Copies until an error. @throws SilentFailure with the signal's exit code if the program is stopped */
async function mirrorUntil(stop: AbortSignal, mirroring: Mirroring, io: Io): Promise<void> {
  const report = setInterval(() => io.print(`${mirroring.copied}\n`), reportMs);
  try {
    await mirroring.run(stop);
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    clearInterval(report);
    const { copied, revision } = mirroring;
    if (revision > 0) io.note(`Copied ${copied} keys and deletions; continue with --rev=${revision + 1}`);
  }
  throw new SilentFailure(stoppedBy[String(stop.reason)] ?? exitCodes.error);
}
