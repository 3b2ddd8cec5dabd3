/** Disposes resources in the reverse order of `use`: Node 20 has no AsyncDisposableStack. */
export class Scope implements AsyncDisposable {
  private readonly opened: AsyncDisposable[] = [];

  /** Adds a resource, and returns it. */
  use<Resource extends AsyncDisposable>(resource: Resource): Resource {
    this.opened.push(resource);
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let last = this.opened.pop(); last !== undefined; last = this.opened.pop()) await last[Symbol.asyncDispose]();
  }
}
