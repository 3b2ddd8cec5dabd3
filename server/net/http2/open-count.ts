/** Counts open items, and notifies when there is none. */
export class OpenCount {
  private count = 0;
  private readonly waiting = new Set<() => void>();

  add(): void {
    this.count += 1;
  }

  remove(): void {
    this.count -= 1;
    if (this.count === 0) for (const onSettled of [...this.waiting]) onSettled();
  }

  /** Waits until no item is open, for `timeoutMs` at most. */
  async whenNone(timeoutMs: number): Promise<void> {
    if (this.count === 0) return;
    await new Promise<void>((resolve) => {
      const onSettled = (): void => {
        clearTimeout(timer);
        this.waiting.delete(onSettled);
        resolve();
      };
      const timer = setTimeout(onSettled, timeoutMs);
      this.waiting.add(onSettled);
    });
  }
}
