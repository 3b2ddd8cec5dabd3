// Settings that are pushed to all processes when they change.

import { toText, type Client, type Mirror } from "../../client/index.js";

/** The settings at one revision: several changes of one transaction appear all together. */
export type Settings = ReadonlyMap<string, string>;

/** The settings of one application, always up to date. */
export class Configuration implements AsyncDisposable {
  private constructor(
    private readonly mirror: Mirror,
    private readonly prefix: string,
  ) {}

  /** Reads the settings of an application and then watches them, also after lost connections. */
  static async open(client: Client, application: string): Promise<Configuration> {
    const prefix = `/config/${application}/`;
    return new Configuration(await client.mirror(prefix), prefix);
  }

  get settings(): Settings {
    return new Map(
      this.mirror.entries().map(({ key, value }) => [toText(key).slice(this.prefix.length), toText(value)]),
    );
  }

  /** Calls the listener with the settings after each change. @returns a function that removes the listener */
  onChange(listener: (settings: Settings) => void): () => void {
    return this.mirror.onChange(() => listener(this.settings));
  }

  /** Stops watching. */
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
