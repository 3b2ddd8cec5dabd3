import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A process of ours that loads the servers, so that their CPU time is theirs alone. */
export class Forked<Command extends object, Message extends { readonly kind: string }> implements AsyncDisposable {
  private readonly child: ChildProcess;
  /** Rejects with the reason if it ends before it was told to. */
  private readonly broken: Promise<never>;
  private readonly waiting = new Map<string, (message: Message) => void>();
  private isDisposed = false;

  /** @param onMessage told of every message, also of those that somebody waits for */
  constructor(file: string, args: readonly string[], onMessage: (message: Message) => void = () => undefined) {
    // "advanced" passes typed arrays as they are.
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
    this.broken.catch(() => undefined); // whoever waits is told
  }

  /** Undefined if it could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  send(command: Command): void {
    if (!this.child.connected) return;
    this.child.send(command, () => undefined); // it may be ending: `broken` tells, if nobody wanted that
  }

  /** The next message of this kind. @throws Error if the process ends before */
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
