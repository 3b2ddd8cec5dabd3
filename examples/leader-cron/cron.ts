// A cron that runs on several machines, and each of its jobs on one of them: an elected leader runs them, and each time is claimed
// under the leadership.

import { LeaseLostError, type Client, type Leadership } from "../../client/index.js";

/** A job, and the times at which it runs. */
export interface CronJob {
  readonly name: string;
  /** Times on which all machines agree, such as full minutes. While another machine leads, they wait here. */
  readonly times: AsyncIterable<Date>;
  readonly run: (time: Date) => void;
}

/** A machine that may run the job, until it is told to stop. */
export interface Machine {
  readonly name: string;
  readonly stop: AbortSignal;
}

/** Seconds after the death of a leader until the next one goes on. */
const ttlSeconds = 5;

/** Runs a job whenever this machine leads. Times that a leader has missed are made up for by the next one. */
export async function runCron(client: Client, { name, times, run }: CronJob, machine: Machine): Promise<void> {
  let leadership: Leadership | undefined;
  try {
    for await (const time of times) {
      let outcome: Outcome = "not leader";
      while (outcome === "not leader") {
        if (leadership === undefined || leadership.lost.aborted) leadership = await lead(client, name, machine);
        outcome = await claim(client, `/cron/${name}/times/${time.toISOString()}`, leadership);
        if (outcome === "not leader") leadership = undefined;
      }
      if (outcome === "claimed") run(time);
    }
  } catch (error) {
    if (!machine.stop.aborted) throw error;
  } finally {
    await leadership?.resign();
  }
}

type Outcome = "claimed" | "was claimed before" | "not leader";

/** Claims a time, unless a leader has done so, or this machine does not lead any more. */
async function claim({ kv }: Client, key: string, { held }: Leadership): Promise<Outcome> {
  const { succeeded } = await kv.txn({
    compare: [held, { target: "createRevision", key, is: "=", than: 0 }],
    success: [{ op: "put", key, value: "" }],
  });
  if (succeeded) return "claimed";
  return (await kv.get(key)).count > 0 ? "was claimed before" : "not leader";
}

/** Waits until this machine leads. */
async function lead(client: Client, job: string, { name, stop }: Machine): Promise<Leadership> {
  for (;;) {
    try {
      return await client.election(`/cron/${job}/leader`).campaign(name, { ttlSeconds, signal: stop });
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    }
  }
}
