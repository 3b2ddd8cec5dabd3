/** Ends a replica: stops all components at once, then closes open files in reverse order. */
export class Teardown {
  private readonly stops: (() => void)[] = [];
  private readonly files: { close(): Promise<void> }[] = [];
  /** Whether the components have been stopped. */
  isStopped = false;

  /** Adds a function that is called when the replica stops; at once, if it has. */
  addStopStep(stop: () => void): void {
    if (this.isStopped) stop();
    else this.stops.push(stop);
  }

  closeLater<File extends { close(): Promise<void> }>(file: File): File {
    this.files.push(file);
    return file;
  }

  stopNow(): void {
    this.isStopped = true;
    for (const stop of this.stops.splice(0)) stop();
  }

  /** Closes all files, also after one could not be closed; then throws the first error. */
  async close(): Promise<void> {
    this.stopNow();
    const failures: unknown[] = [];
    for (let file = this.files.pop(); file !== undefined; file = this.files.pop())
      await file.close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
