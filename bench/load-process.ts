import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Job, LoadMessage } from "./load.js";

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** The process that puts a cluster under load. */
export class LoadProcess implements AsyncDisposable {
  private constructor(private readonly child: ChildProcess) {}

  /** Resolves once the keys are there. */
  static async start(endpoints: readonly string[]): Promise<LoadProcess> {
    const child = fork(fileURLToPath(new URL("load.ts", import.meta.url)), [...endpoints]);
    const load = new LoadProcess(child);
    await load.next();
    return load;
  }

  /** @param onMeasuring called when what is counted begins */
  async play(job: Job, onMeasuring: () => void): Promise<LoadResult> {
    this.child.send(job);
    await this.next();
    onMeasuring();
    const result = await this.next();
    if (result.kind !== "done") throw new Error(`the load said "${result.kind}" instead of its result`);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill();
    await ended;
  }

  private async next(): Promise<LoadMessage> {
    const [message] = (await once(this.child, "message")) as [LoadMessage];
    if (message.kind === "failed") throw new Error(`the load failed: ${message.reason}`);
    return message;
  }
}
