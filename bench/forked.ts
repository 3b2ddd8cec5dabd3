import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A child process, in which a load or a member runs: its CPU time is measured apart. */
export class Forked<Command extends object, Message extends { readonly kind: string }> implements AsyncDisposable {
  private readonly child: ChildProcess;
  /** Rejects if the process ends before it is disposed. */
  private readonly broken: Promise<never>;
  private readonly waiting = new Map<string, (message: Message) => void>();
  private isDisposed = false;

  /** @param onMessage called for every message, also for one that a caller of `next` waits for */
  constructor(file: string, args: readonly string[], onMessage: (message: Message) => void = () => undefined) {
    // The serialization "advanced" keeps typed arrays.
    this.child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { serialization: "advanced" });
    this.child.on("message", (message: Message) => {
      onMessage(message);
      this.waiting.get(message.kind)?.(message);
      this.waiting.delete(message.kind);
    });
    this.broken = new Promise((_, reject) => {
      this.child.once("exit", (code) => {
        if (!this.isDisposed) reject(new Error(`${file} ended with code ${code}`));
      });
    });
    this.broken.catch(() => undefined); // `next` reports it
  }

  /** The process id; undefined if the process could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Sends a command; does nothing if the process has ended. */
  send(command: Command): void {
    if (!this.child.connected) return;
    this.child.send(command, () => undefined); // an error means that the process ends: `broken` reports it, unless it was disposed
  }

  /** Returns the next message of a kind. @throws Error if the process ends before */
  next<Kind extends Message["kind"]>(kind: Kind): Promise<Extract<Message, { kind: Kind }>> {
    const message = new Promise<Message>((resolve) => this.waiting.set(kind, resolve));
    return Promise.race([message as Promise<Extract<Message, { kind: Kind }>>, this.broken]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill();
    await ended;
  }
}
