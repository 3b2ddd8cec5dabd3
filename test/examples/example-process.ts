// An example in a process of its own, as a reader runs it.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { endWithTests } from "../support/child-processes.js";
import { within } from "../support/deadline.js";
import { patientVariables } from "../support/patient-client.js";

const deadlineMs = 30_000;

export interface ExampleOptions {
  readonly endpoints: readonly string[];
  readonly args?: readonly string[];
  /** Text for its standard input. */
  readonly input?: string;
}

export class ExampleProcess implements AsyncDisposable {
  readonly lines: string[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly whenExited: Promise<unknown>;
  private errors = "";
  private output = "";

  private constructor(private readonly child: ChildProcess) {
    endWithTests(child);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
      const lines = this.output.split("\n");
      this.output = lines.pop() ?? "";
      this.lines.push(...lines);
      for (const look of this.listeners) look();
    });
    this.whenExited = once(child, "close").finally(() => {
      for (const look of this.listeners) look();
    });
  }

  /** The process's whole output so far, for a message. */
  get written(): string {
    return `${JSON.stringify(this.lines)} ${this.errors}`;
  }

  /** @param path below `examples/` */
  static start(path: string, { endpoints, args = [], input }: ExampleOptions): ExampleProcess {
    const child = spawn(process.execPath, ["--import", "tsx", `examples/${path}`, ...args], {
      env: {
        ...{ PATH: process.env["PATH"], PORT: "0", ETCDCTL_ENDPOINTS: endpoints.join() },
        ...patientVariables(),
      },
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    child.stdin?.end(input);
    return new ExampleProcess(child);
  }

  /** Waits for the first line that contains `beginning`, and returns the rest of that line. */
  async after(beginning: string, timeoutMs = deadlineMs): Promise<string> {
    let look = (): void => undefined;
    const found = new Promise<string>((resolve, reject) => {
      look = () => {
        const line = this.lines.find((each) => each.includes(beginning));
        if (line !== undefined) resolve(line.slice(line.indexOf(beginning) + beginning.length));
        else if (this.child.exitCode !== null) reject(new Error(`ended before "${beginning}": ${this.errors}`));
      };
      this.listeners.add(look);
      look();
    });
    try {
      return await within(timeoutMs, `"${beginning}" among ${this.written}`, found);
    } finally {
      this.listeners.delete(look);
    }
  }

  /** Sends a signal, if any, and waits for the end. @returns the exit code; null if a signal ended it */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.child.kill(signal);
    await within(deadlineMs, `the end, after ${this.written}`, this.whenExited);
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }
}
