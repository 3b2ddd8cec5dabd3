// A limit that all servers of a service enforce together: a number of uses per user within a window. Each use takes a place,
// whose lease frees it when it expires, so the servers' clocks do not matter. Meant for operations that happen a few times a
// minute: logins, mails, orders.

import type { Client } from "../../client/index.js";

/** The maximum number of uses within any window of this length. The window is at least 2 s, the shortest lease of etcd. */
export interface Limit {
  readonly uses: number;
  readonly windowSeconds: number;
}

/** Counts the uses of all users; each server has one RateLimiter. */
export class RateLimiter {
  constructor(
    private readonly client: Client,
    private readonly limit: Limit,
  ) {}

  /** Takes one use. @returns false if the user has none left in this window */
  async take(user: string): Promise<boolean> {
    const { lease, kv } = this.client;
    const { id } = await lease.grant({ ttlSeconds: this.limit.windowSeconds });
    for (const place of await this.freePlaces(user)) {
      const { succeeded } = await kv.txn({
        compare: [{ target: "createRevision", key: place, is: "=", than: 0 }],
        success: [{ op: "put", key: place, value: "", lease: id }],
      });
      if (succeeded) return true; // otherwise another server has just taken this place
    }
    await lease.revoke(id);
    return false;
  }

  private async freePlaces(user: string): Promise<string[]> {
    const places = Array.from(
      { length: this.limit.uses },
      (_, index) => `/limits/${encodeURIComponent(user)}/${index}`,
    );
    const { kvs } = await this.client.kv.get(`/limits/${encodeURIComponent(user)}/`, { prefix: true, keysOnly: true });
    const taken = new Set(kvs.map(({ key }) => Buffer.from(key).toString()));
    return places.filter((place) => !taken.has(place));
  }
}
