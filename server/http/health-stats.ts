/** The last result of a health check, and the number of results of each kind. */
export interface CheckResults {
  isWell: boolean;
  succeeded: number;
  failed: number;
}

/** Counts the answers of a member's health pages. */
export class HealthStats {
  /** The number of healthy answers of `/health`. */
  healthy = 0;
  unhealthy = 0;
  private readonly results = new Map<string, CheckResults>();

  /** The results by page and check, with a slash between. */
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
