import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, realpathSync } from "node:fs";
import { once } from "node:events";
import type { MemberPlace } from "./cluster-flags.js";
import { withMallocSettings } from "./malloc-settings.js";
import type { MemberEvent, SupervisorCommand } from "./messages.js";

/** The program that starts members: the same file that this process runs. */
export const minietcdProgram = realpathSync(process.argv[1] ?? ".");

/** Receives the events of a member process; `Supervisor` implements it. */
export interface MemberListener {
  onEvent(member: MemberProcess, event: MemberEvent): void;
  /** @param how the exit code or the signal, as text */
  onEnd(member: MemberProcess, how: string): void;
}

/** A process of a member, as the supervisor sees it. */
export class MemberProcess {
  id = "";
  /** Whether the member has begun to serve clients. */
  isReady = false;
  isAlive = true;
  /** The reason why the member could not start or continue; undefined if it reported none. */
  failure: string | undefined;
  /** Resolves when the process has ended. */
  readonly whenExited: Promise<void>;
  /** Resolves when the member serves no more clients. */
  readonly whenDrained: Promise<void>;
  private onDrained: () => void = () => undefined;

  private constructor(
    readonly place: MemberPlace,
    private readonly child: ChildProcess,
    listener: MemberListener,
  ) {
    const ended = Promise.race([
      once(child, "exit").then(([code, signal]) => `${signal ?? `exit code ${String(code)}`}`),
      once(child, "error").then(([error]) => `it cannot be run: ${(error as Error).message}`),
    ]);
    this.whenExited = ended.then(
      (how) => this.onEnd(how, listener),
      (error: unknown) => this.onEnd(`it cannot be run: ${(error as Error).message}`, listener),
    );
    this.whenDrained = Promise.race([new Promise<void>((resolve) => (this.onDrained = resolve)), this.whenExited]);
    child.on("message", (message) => {
      const event = message as MemberEvent;
      this.note(event);
      listener.onEvent(this, event);
    });
  }

  /** Starts the process. @throws the system's error if the log file cannot be opened */
  static start(place: MemberPlace, listener: MemberListener): MemberProcess {
    const output = openSync(place.log, "a", 0o600);
    try {
      // The process group is its own: Ctrl-C only signals the supervisor. If the supervisor dies, the channel closes and the
      // member ends.
      const child = spawn(process.execPath, [minietcdProgram, ...place.args], {
        detached: true,
        env: withMallocSettings(process.env, process.platform),
        stdio: ["ignore", output, output, "ipc"],
      });
      return new MemberProcess(place, child, listener);
    } finally {
      closeSync(output);
    }
  }

  get name(): string {
    return this.place.name;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Asks the member to stop serving clients. */
  drain(): void {
    const command: SupervisorCommand = { kind: "drain" };
    this.child.send(command, () => undefined); // if the command does not arrive, the member has ended, and `exited` resolves
  }

  kill(signal: NodeJS.Signals): void {
    if (this.isAlive) this.child.kill(signal);
  }

  private note(event: MemberEvent): void {
    if (event.kind === "ready") this.isReady = true;
    else if (event.kind === "drained") this.onDrained();
    else if (event.kind === "leader") this.id = event.self;
    else if (event.kind === "failed") this.failure = event.reason;
  }

  private onEnd(how: string, listener: MemberListener): void {
    this.isAlive = false;
    listener.onEnd(this, this.failure ?? how);
  }
}
