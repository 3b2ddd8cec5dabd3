// The client and the printer of a command that talks to a cluster.
import type { Command } from "commander";
import { AuthError, Client, type Credentials, EtcdError, type TlsOptions } from "../../../client/index.js";
import { etcdText, type ExitCode, exitCodes, Failure, type Io, warningsOf } from "../args/index.js";
import { type Printer, printerOf } from "../output/index.js";
import { credentialsOf } from "./credentials.js";
import { endpointsFrom } from "./given-endpoints.js";
import { globalsOf, type Globals } from "./globals.js";
import { tlsOf } from "./tls-flags.js";

/** A client of the cluster with the settings of the global flags. */
export class Session {
  readonly client: Client;
  /** The TLS options of the global flags; undefined: endpoints without a scheme do not use TLS. */
  readonly tls: TlsOptions | undefined;
  /** Options of every request. */
  readonly limits: { readonly timeoutMs: number };

  constructor(
    readonly endpoints: readonly string[],
    private readonly globals: Globals,
    private readonly proofs: Proofs,
    readonly printer: Printer,
    private readonly io: Io,
  ) {
    this.client = connect(endpoints, globals, proofs);
    this.tls = proofs.tls;
    this.limits = { timeoutMs: globals.commandTimeout };
  }

  /** Returns a client of a single endpoint. The caller closes it. */
  clientOf(endpoint: string): Client {
    return connect([endpoint], this.globals, this.proofs);
  }

  /**
   * Connects to an endpoint of another cluster, whose user is logged in. The caller closes the client.
   *
   * @throws Failure if the login fails
   */
  connectTo(endpoint: string, proofs: Proofs): Promise<Client> {
    return connectAndLogIn(endpoint, this.globals, proofs, this.io);
  }

  /** Returns a further client of all endpoints: another connection. The caller closes it. */
  anotherClient(): Client {
    return connect(this.endpoints, this.globals, this.proofs);
  }

  /** Logs in, if there are credentials. @throws Failure if the login fails */
  async logIn(): Promise<void> {
    if (this.proofs.auth !== undefined) await logIn(this.client, this.globals, this.io);
  }
}

/**
 * Connects with the settings of the global flags, calls `use`, and closes the connections. Flags and variables about the cluster
 * are checked only now, so that mistakes in a command's own flags are reported first, as in etcdctl.
 *
 * @throws Failure if `use` fails on a request
 */
export async function withSession(command: Command, io: Io, use: (session: Session) => Promise<void>): Promise<void> {
  const globals = globalsOf(programOf(command), io);
  const endpoints = await endpointsFrom(globals, io);
  const auth = await credentialsOf(globals, io);
  const printer = printerOf(globals.writeOut, globals.hex, io);
  if (endpoints.length === 0) throw new Failure(exitCodes.badConnection, "etcdclient: no available endpoints");
  const tls = tlsOf(programOf(command), globals);
  const session = new Session(endpoints, globals, { tls, auth }, printer, io);
  try {
    await session.logIn();
    await use(session);
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    throw requestFailure(error, io);
  } finally {
    await session.client.close();
  }
}

/** Returns additional information about a failed request. */
export function requestFailure(
  error: EtcdError,
  { note }: Pick<Io, "note">,
  exitCode: ExitCode = exitCodes.error,
): Failure {
  for (const warning of warningsOf(error)) note(`Warning: ${warning}`);
  return new Failure(exitCode, etcdText(error));
}

function programOf(command: Command): Command {
  return command.parent === null ? command : programOf(command.parent);
}

/** Reads a timeout as etcdctl does: 0 or less means none. */
const timeoutOrNone = (milliseconds: number) => (milliseconds > 0 ? milliseconds : Infinity);

/** Reads a size as etcdctl does: 0 or less means the default. */
const sizeOrDefault = (bytes: number) => (bytes > 0 ? bytes : undefined);

/** The credentials of a client: a user, a certificate, or both. */
export interface Proofs {
  readonly tls: TlsOptions | undefined;
  readonly auth: Credentials | undefined;
}

/** Logs in before the first request, within the dial timeout. If authentication is off, the login is skipped. */
async function logIn(client: Client, { dialTimeout }: Globals, io: Io): Promise<void> {
  try {
    await client.auth.login({ timeoutMs: timeoutOrNone(dialTimeout) });
  } catch (error) {
    if (error instanceof AuthError && error.reason === "not-enabled") return;
    if (error instanceof EtcdError) throw requestFailure(error, io, exitCodes.badConnection);
    throw error;
  }
}

async function connectAndLogIn(endpoint: string, globals: Globals, proofs: Proofs, io: Io): Promise<Client> {
  const client = connect([endpoint], globals, proofs);
  try {
    if (proofs.auth !== undefined) await logIn(client, globals, io);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

function connect(
  endpoints: readonly string[],
  { dialTimeout, keepaliveTime, keepaliveTimeout, maxRequestBytes, maxRecvBytes }: Globals,
  proofs: Proofs,
): Client {
  if (maxRecvBytes > 0 && maxRequestBytes > maxRecvBytes) {
    const limits = `recv limit (${maxRecvBytes} bytes) must be greater than send limit (${maxRequestBytes} bytes)`;
    throw new Failure(exitCodes.badConnection, `gRPC message ${limits}`);
  }
  try {
    return new Client({
      endpoints,
      dialTimeoutMs: timeoutOrNone(dialTimeout),
      keepalive: { timeMs: timeoutOrNone(keepaliveTime), timeoutMs: timeoutOrNone(keepaliveTimeout) },
      messages: { maxSendBytes: sizeOrDefault(maxRequestBytes), maxReceiveBytes: sizeOrDefault(maxRecvBytes) },
      ...proofs,
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Failure(exitCodes.badArguments, error.message);
  }
}
