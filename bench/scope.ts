/** Closes in reverse order what was opened one after the other: Node 20 has no AsyncDisposableStack. */
export class Scope implements AsyncDisposable {
  private readonly opened: AsyncDisposable[] = [];

  use<Resource extends AsyncDisposable>(resource: Resource): Resource {
    this.opened.push(resource);
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let last = this.opened.pop(); last !== undefined; last = this.opened.pop()) await last[Symbol.asyncDispose]();
  }
}
