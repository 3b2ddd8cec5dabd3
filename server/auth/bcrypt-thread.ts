// Runs bcrypt in a thread of its own: one hash takes tens of milliseconds, which would delay requests.

import { randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import { asError } from "../../platform/index.js";
import { maxQueuedPasswords, ServerError } from "../base/index.js";
import { bcryptWorkerUrl } from "./bcrypt-worker-url.js";
import { type Bcrypt, BcryptPasswords, type Passwords } from "./passwords.js";

/** A queued password. */
interface Job {
  readonly password: string;
  readonly salt: string;
  readonly resolve: (hash: string) => void;
  readonly reject: (error: Error) => void;
}

/** The worker's answer to a job. */
type HashAnswer = { readonly hash: string } | { readonly error: string };

/**
 * Hashes passwords one after the other in a worker thread, which starts at the first password and does not keep the process
 * alive. A worker that fails is replaced at the next password.
 */
export class BcryptThread implements Bcrypt {
  /** The queue; the first password is being hashed. */
  private readonly jobs: Job[] = [];
  private worker: Worker | undefined;
  private isClosed = false;

  constructor(private readonly start: () => Worker = startWorker) {}

  /** The number of queued passwords, with the one being hashed. */
  get pending(): number {
    return this.jobs.length;
  }

  /** @throws ServerError `too-many-requests` if `maxQueuedPasswords` are queued; `server-stopped` after `close` */
  hash(password: string, salt: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) throw new ServerError("server-stopped", "the member is stopping");
      if (this.jobs.length >= maxQueuedPasswords)
        throw new ServerError("too-many-requests", `${maxQueuedPasswords} passwords wait to be hashed`);
      this.jobs.push({ password, salt, resolve, reject });
      if (this.jobs.length === 1) this.sendFirst();
    });
  }

  /** Ends the thread; queued passwords are refused. */
  close(): void {
    this.isClosed = true;
    void this.worker?.terminate();
    this.worker = undefined;
    this.failAll(new ServerError("server-stopped", "the member is stopping"));
  }

  private sendFirst(): void {
    const job = this.jobs[0];
    if (job === undefined) return;
    this.worker ??= this.startWorker();
    this.worker.postMessage({ password: job.password, salt: job.salt });
  }

  private startWorker(): Worker {
    const worker = this.start();
    worker.unref();
    worker.on("message", (answer: HashAnswer) => this.onAnswer(answer));
    worker.on("error", (error: unknown) => this.onEnd(worker, asError(error)));
    worker.on("exit", (code) => this.onEnd(worker, new Error(`Cannot hash passwords: the worker ended with ${code}`)));
    return worker;
  }

  private onAnswer(answer: HashAnswer): void {
    const job = this.jobs.shift();
    this.sendFirst();
    if ("hash" in answer) job?.resolve(answer.hash);
    else job?.reject(new Error(`Cannot hash a password: ${answer.error}`));
  }

  /** Fails the passwords of a worker that ended by itself. The event `error` comes before `exit`. */
  private onEnd(worker: Worker, error: Error): void {
    if (worker !== this.worker) return;
    this.worker = undefined;
    this.failAll(error);
  }

  private failAll(error: Error): void {
    for (const { reject } of this.jobs.splice(0)) reject(error);
  }
}

/** Starts the worker without the flags of this process, which may load more modules. */
const startWorker = (): Worker => new Worker(bcryptWorkerUrl, { name: "bcrypt", execArgv: [] });

/** Returns the passwords of a member in a process: hashed in a thread, with the machine's random numbers. */
export const threadPasswords = (cost: number): Passwords => new BcryptPasswords(new BcryptThread(), cost, randomBytes);
