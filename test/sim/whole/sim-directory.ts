import type { DirectoryOwner, StoreInUse } from "../../../server/data-dir.js";
import type { MemberDirectory } from "../../../server/parts.js";
import type { LogPosition } from "../../../raft/index.js";
import type { SeededRandom } from "../random.js";
import type { SimProcess } from "./process.js";

/** What the small files of a member's directory say; each is replaced as a whole. */
export class DirectoryFiles {
  owner: DirectoryOwner | undefined;
  incarnation = 0;
  current: StoreInUse | undefined;
  /** The numbers of the stores that are there. */
  readonly stores = new Set<string>();
  /** A file that was being replaced when the process died: the new one is there, or the old one still is. */
  private underWay: (() => void) | undefined;

  constructor(
    private readonly root: string,
    private readonly random: SeededRandom,
    private readonly listener: {
      /** A store is removed, with all that is in it. */
      readonly onRemoved: (path: string) => void;
      /** A file is about to be replaced. */
      readonly onReplace: () => void;
    },
  ) {}

  /** Opens the directory for one life of a process. */
  open(process: SimProcess): MemberDirectory {
    const { underWay } = this;
    this.underWay = undefined;
    if (underWay !== undefined && this.random.chance(0.5)) underWay();
    if (this.owner === undefined) this.removeUnfinished();
    const store = (): Promise<StoreInUse> => Promise.resolve(this.inUse());
    return {
      owner: this.owner,
      walPath: `${this.root}/wal`,
      store,
      storePath: async () => (await store()).path,
      createStore: async () => {
        const path = this.pathOf(1);
        await this.replace(process, () => {
          this.current = { path, installed: undefined };
          this.stores.add(path);
        });
        return path;
      },
      newStorePath: () => {
        this.removeUnused();
        const numbers = [...this.stores].map((path) => Number(path.slice(this.pathOf("").length)));
        const path = this.pathOf(Math.max(...numbers) + 1);
        this.stores.add(path);
        return Promise.resolve(path);
      },
      useStore: (path: string, installed: LogPosition) =>
        this.replace(process, () => void (this.current = { path, installed })),
      removeUnusedStores: () => {
        this.removeUnused();
        return Promise.resolve();
      },
      begin: (owner) => this.replace(process, () => void (this.owner = owner)),
      nextIncarnation: async () => {
        const next = this.incarnation + 1;
        await this.replace(process, () => void (this.incarnation = next));
        return next;
      },
      close: () => Promise.resolve(),
    };
  }

  private inUse(): StoreInUse {
    if (this.current === undefined) throw new Error(`${this.root}: no store is in use`);
    return this.current;
  }

  private pathOf(number: number | ""): string {
    return `${this.root}/store-${number}`;
  }

  private removeUnused(): void {
    for (const path of this.stores) if (path !== this.current?.path) this.remove(path);
  }

  /** What a bootstrap left that never came to its end. */
  private removeUnfinished(): void {
    this.current = undefined;
    this.removeUnused();
  }

  private remove(path: string): void {
    this.stores.delete(path);
    this.listener.onRemoved(path);
  }

  private async replace(process: SimProcess, change: () => void): Promise<void> {
    if (process.isAlive) this.underWay = change;
    this.listener.onReplace();
    await process.sleep(this.random.next() * 2);
    if (this.underWay === change) this.underWay = undefined;
    change();
  }
}
