/** What has to end with the replica: what takes part ends at once, what is open on disk after it in reverse order. */
export class Teardown {
  private readonly stops: (() => void)[] = [];
  private readonly files: { close(): Promise<void> }[] = [];

  onStop(...stops: (() => void)[]): void {
    this.stops.push(...stops);
  }

  opened<File extends { close(): Promise<void> }>(file: File): File {
    this.files.push(file);
    return file;
  }

  stopNow(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  /** One that cannot be closed keeps none of the others open; the first reason is thrown at the end. */
  async close(): Promise<void> {
    this.stopNow();
    const failures: unknown[] = [];
    for (let file = this.files.pop(); file !== undefined; file = this.files.pop())
      await file.close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
