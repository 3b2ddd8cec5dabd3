// A queue of jobs for workers on several machines. Jobs are added with the client's queue, but not taken with its dequeue(),
// which would lose the job of a worker that dies. Instead, a worker claims a job with a key that is attached to its lease: if the
// worker dies, the claim ends with the lease, and another worker gets the job. A job is done at least once, and exactly once if
// no worker dies.

import { toText, type Client, type Compare, type LeaseKeepAlive } from "../../client/index.js";

const queue = "/queue/jobs";
const jobs = `${queue}/`;
const claims = "/queue/claims/";

/** A job that this worker has claimed. */
export interface Job {
  readonly text: string;
  /** Removes the job. @returns false if the claim was lost meanwhile: another worker does the job again */
  finish(): Promise<boolean>;
}

/** Adds a job. */
export async function addJob(client: Client, text: string): Promise<void> {
  await client.queue(queue).enqueue(text);
}

/** A worker, with one or more jobs at a time. */
export class Worker implements AsyncDisposable {
  private constructor(
    private readonly client: Client,
    private readonly lease: LeaseKeepAlive,
  ) {}

  /** @param ttlSeconds time after the death of this worker until other workers get its jobs */
  static async start(client: Client, { ttlSeconds = 10 } = {}): Promise<Worker> {
    return new Worker(client, await client.lease.hold({ ttlSeconds }));
  }

  /** Claims the oldest job without a claim; waits if there is none. @throws EtcdError "cancelled" when `signal` is aborted */
  async take(signal?: AbortSignal): Promise<Job> {
    for (;;) {
      const { kvs, header } = await this.client.kv.get(jobs, { prefix: true, sortBy: "createRevision", signal });
      for (const { key, value } of kvs) {
        const job = await this.claim(toText(key).slice(jobs.length), toText(value));
        if (job !== undefined) return job;
      }
      await this.waitForChange(header.revision + 1, signal);
    }
  }

  /** Gives up all claims, and ends the worker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.lease.close();
  }

  private async claim(id: string, text: string): Promise<Job | undefined> {
    const isThere: Compare = { target: "createRevision", key: jobs + id, is: ">", than: 0 };
    const { succeeded, header } = await this.client.kv.txn({
      compare: [isThere, { target: "createRevision", key: claims + id, is: "=", than: 0 }],
      success: [{ op: "put", key: claims + id, value: "", lease: this.lease.id }],
    });
    if (!succeeded) return undefined;
    const isOurs: Compare = { target: "createRevision", key: claims + id, is: "=", than: header.revision };
    return { text, finish: () => this.remove(id, isOurs) };
  }

  private async remove(id: string, isOurs: Compare): Promise<boolean> {
    const { succeeded } = await this.client.kv.txn({
      compare: [isOurs],
      success: [
        { op: "delete", key: jobs + id },
        { op: "delete", key: claims + id },
      ],
    });
    return succeeded;
  }

  /** Waits until a job is added, or a claim ends. */
  private async waitForChange(startRevision: number, signal: AbortSignal | undefined): Promise<void> {
    for await (const { type, kv } of this.client.watch("/queue/", { prefix: true, startRevision, signal }))
      if (toText(kv.key).startsWith(type === "put" ? jobs : claims)) return;
  }
}
