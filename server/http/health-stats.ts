/** The last result of a health check, and how many there were. */
export interface CheckResults {
  isWell: boolean;
  succeeded: number;
  failed: number;
}

/** Counts the answers of a member's health pages. */
export class HealthStats {
  /** Answers of `/health`. */
  healthy = 0;
  unhealthy = 0;
  private readonly results = new Map<string, CheckResults>();

  /** The checks that were run, by the page and their name, with a slash between. */
  get checks(): Iterable<readonly [check: string, results: CheckResults]> {
    return this.results;
  }

  /** Counts an answer of `/health`. */
  countHealth(isWell: boolean): void {
    if (isWell) this.healthy++;
    else this.unhealthy++;
  }

  /** Counts a check of `livez` or `readyz`. */
  countCheck(page: string, name: string, isWell: boolean): void {
    const check = `${page}/${name}`;
    let results = this.results.get(check);
    if (results === undefined) this.results.set(check, (results = { isWell, succeeded: 0, failed: 0 }));
    results.isWell = isWell;
    if (isWell) results.succeeded++;
    else results.failed++;
  }
}
