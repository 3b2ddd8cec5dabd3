// All endpoints of a cluster as one: picks one that is up, and moves on when it stops answering.
import { Connection, type CallLimits, type UnaryMethod } from "./connection.js";
import { ConnectError, EtcdError, mayTryAgain, notSent } from "./errors.js";
import type { RequestOptions, Settings } from "./options.js";
import { sleep, Wakeup } from "./wakeup.js";

/** As in etcd's Go client: enough for a second or two without a leader. */
const maxAttempts = 100;
/** After every endpoint has been tried. */
const pauseMs = 25;

/**
 * All endpoints are connected to at the same time, so one that is dead costs nothing while another is up. Requests go to
 * one of them until it fails; then to the next that is up.
 */
export class Endpoints {
  private readonly connections: readonly Connection[];
  /** Requests that wait for a connection. */
  private readonly waiting = new Wakeup();
  private preferred = 0;
  private closed = false;

  /** @throws TypeError if one is not an endpoint */
  constructor(
    endpoints: readonly string[],
    readonly settings: Settings,
  ) {
    const wake = () => this.waiting.wake();
    this.connections = endpoints.map((endpoint) => new Connection(endpoint, settings, wake));
  }

  /**
   * Calls a method on one endpoint, or on several in turn where that is safe.
   *
   * @throws EtcdError if the request does not succeed
   */
  async call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    { timeoutMs = this.settings.requestTimeoutMs, signal }: RequestOptions,
  ): Promise<Response> {
    const limits = { deadline: Date.now() + timeoutMs, signal };
    for (let attempt = 1; ; attempt++) {
      const connection = await this.connected(limits);
      try {
        return await connection.call(method, request, limits);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (error.code === "unavailable" || error.code === "deadline-exceeded" || isTimeOver(signal))
          this.moveOnFrom(connection);
        const pause = attempt % this.connections.length === 0 ? pauseMs : 0;
        if (!mayTryAgain(error) || attempt === maxAttempts || Date.now() + pause >= limits.deadline) throw error;
        if (pause > 0) await sleep(pause, signal);
      }
    }
  }

  /** The same for a single endpoint, which need not be one of these. */
  async callAt<Request, Response>(
    endpoint: string,
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: RequestOptions,
  ): Promise<Response> {
    const single = new Endpoints([endpoint], this.settings);
    try {
      return await single.call(method, request, options);
    } finally {
      single.close();
    }
  }

  close(): void {
    this.closed = true;
    for (const connection of this.connections) connection.close();
    this.waiting.wake();
  }

  /** The connection has failed: what comes next goes elsewhere. */
  moveOnFrom(connection: Connection): void {
    if (this.connections[this.preferred] === connection)
      this.preferred = (this.preferred + 1) % this.connections.length;
  }

  /** Waits until a connection is up, but neither beyond the dial timeout nor beyond the request's limits. */
  async connected({ deadline, signal }: CallLimits): Promise<Connection> {
    const giveUpAt = Math.min(deadline, Date.now() + this.settings.dialTimeoutMs);
    for (;;) {
      if (this.closed || signal?.aborted) throw notSent(signal);
      const connection = this.up();
      if (connection !== undefined) {
        this.preferred = this.connections.indexOf(connection);
        return connection;
      }
      if (Date.now() >= giveUpAt) throw new ConnectError(await this.reasons());
      for (const each of this.connections) each.connect();
      await this.waiting.wait(giveUpAt - Date.now(), signal);
    }
  }

  /** The first connection that is up, from the preferred one on. */
  private up(): Connection | undefined {
    const { connections, preferred } = this;
    return [...connections.slice(preferred), ...connections.slice(0, preferred)].find((connection) => connection.isUp);
  }

  private async reasons(): Promise<Map<string, string>> {
    const reasons = this.connections.map(async (each): Promise<[string, string]> => [
      each.endpoint,
      await each.reason(),
    ]);
    return new Map(await Promise.all(reasons));
  }
}

/** Whether a signal of `AbortSignal.timeout()` is raised, alone or among others: a deadline, too. */
const isTimeOver = (signal: AbortSignal | undefined): boolean => {
  const reason: unknown = signal?.reason;
  return reason instanceof DOMException && reason.name === "TimeoutError";
};
