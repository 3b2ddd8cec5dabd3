// Settings that reach all processes as soon as somebody changes them.

import { toText, type Client, type Mirror } from "../../client/index.js";

/** Settings as they were at one revision: a change of several in one transaction is seen as a whole, or not yet. */
export type Settings = ReadonlyMap<string, string>;

/** The settings of one application, kept up to date. */
export class Configuration implements AsyncDisposable {
  private constructor(
    private readonly mirror: Mirror,
    private readonly prefix: string,
  ) {}

  /** Reads the settings of an application, and follows them from then on, also through lost connections. */
  static async open(client: Client, application: string): Promise<Configuration> {
    const prefix = `/config/${application}/`;
    return new Configuration(await client.mirror(prefix), prefix);
  }

  get settings(): Settings {
    return new Map(
      this.mirror.entries().map(({ key, value }) => [toText(key).slice(this.prefix.length), toText(value)]),
    );
  }

  /** Calls the listener with the settings after each change of them. @returns a function that ends this */
  onChange(listener: (settings: Settings) => void): () => void {
    return this.mirror.onChange(() => listener(this.settings));
  }

  /** Stops following. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.mirror.close();
  }
}

/** Changes several settings at once; undefined removes one. */
export async function changeSettings(
  client: Client,
  application: string,
  changes: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await client.kv.txn({
    success: Object.entries(changes).map(([name, value]) => {
      const key = `/config/${application}/${name}`;
      return value === undefined ? { op: "delete", key } : { op: "put", key, value };
    }),
  });
}
