/** The versions that a member reports: of the server, of the cluster, and of the storage schema. */
export interface ReportedVersions {
  readonly server: string;
  /** The cluster version: the minor version that all members support. */
  readonly cluster: string;
  readonly storage: string;
}

/** The etcd releases that a member can report, by their minor version. */
const releases = {
  "3.7": { server: "3.7.3", cluster: "3.7.0", storage: "3.7.0" },
  "3.6": { server: "3.6.14", cluster: "3.6.0", storage: "3.6.0" },
} as const satisfies Record<string, ReportedVersions>;

/** A minor version of etcd that a member can report. */
export type EmulatedVersion = keyof typeof releases;

/** The values of `--emulated-version`, the default first. */
export const emulatedVersions: readonly EmulatedVersion[] = ["3.7", "3.6"];

/** Returns the versions to report in Status and /version. */
export const reportedVersions = (emulated: EmulatedVersion): ReportedVersions => releases[emulated];

/** The etcd release whose behaviour this server follows. */
export const serverVersion = releases["3.7"].server;
