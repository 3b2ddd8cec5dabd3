// An iterator over items that arrive over time, which can be left while it waits.

const done: IteratorReturnResult<void> = { done: true, value: undefined };

/**
 * Yields items in order, one for each `next()`. It can be left at any time: `return()` and `throw()` resolve at once, and a
 * waiting `next()` resolves as done. (In an async generator they wait until the pending `next()` has its item, and a generator
 * that was never started runs no cleanup.)
 */
export class LeavableIterator<T> implements AsyncGenerator<T, void, void> {
  private isLeft = false;
  /** Resolves when the last call of `next()` has its item: each call waits for the previous one. */
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @param take resolves to the next item, or to undefined at the end; called again only after it has resolved
   * @param leave called once, when no more items are wanted: a pending `take` must settle soon, with or without an item
   */
  constructor(
    private readonly take: () => Promise<T | undefined>,
    private readonly leave: () => void,
  ) {}

  next(): Promise<IteratorResult<T, void>> {
    const item = this.last.then(() => this.takeNext());
    this.last = item.catch(() => undefined);
    return item;
  }

  return(): Promise<IteratorResult<T, void>> {
    this.endIteration();
    return Promise.resolve(done);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, not an exception
  async throw(error: unknown): Promise<never> {
    this.endIteration();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  private async takeNext(): Promise<IteratorResult<T, void>> {
    if (this.isLeft) return done;
    try {
      const value = await this.take();
      if (value !== undefined && !this.hasBeenLeft()) return { done: false, value };
    } catch (error) {
      if (!this.hasBeenLeft()) {
        this.endIteration();
        throw error;
      }
    }
    this.endIteration();
    return done;
  }

  /** A method, not a field, so that the compiler does not assume its value unchanged after an `await`. */
  private hasBeenLeft(): boolean {
    return this.isLeft;
  }

  private endIteration(): void {
    if (this.isLeft) return;
    this.isLeft = true;
    this.leave();
  }
}
