// Iterating over what comes in time.

const done: IteratorReturnResult<void> = { done: true, value: undefined };

/**
 * Gives out items in order, one for each `next()`. It can be left at any time: `return()` and `throw()` resolve at once, and so
 * does a `next()` that is waiting, as done. (An async generator keeps them waiting until the pending `next()` has its item, and
 * runs no cleanup if it was never started.)
 */
export class LeavableIterator<T> implements AsyncGenerator<T, void, void> {
  private isLeft = false;
  /** Resolves when the last `next()` has its item: each waits for the one before. */
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @param take resolves with the next item, or with undefined if there will be none; one call at a time
   * @param leave called once, when no more items are wanted: a pending `take` must settle soon, in whichever way
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
    this.end();
    return Promise.resolve(done);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, not an exception
  async throw(error: unknown): Promise<never> {
    this.end();
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
        this.end();
        throw error;
      }
    }
    this.end();
    return done;
  }

  /** A call, so that it is looked up anew after every wait. */
  private hasBeenLeft(): boolean {
    return this.isLeft;
  }

  private end(): void {
    if (this.isLeft) return;
    this.isLeft = true;
    this.leave();
  }
}
