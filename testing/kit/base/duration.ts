/** A time span: a number of milliseconds, or a number with a unit, such as "200ms", "1.5s", "2m", "1h". */
export type Duration = number | string;

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Reads a time span as milliseconds.
 *
 * @throws TypeError if the text is not a time span
 */
export const toMs = (duration: Duration): number => {
  if (typeof duration === "number" && duration >= 0) return duration;
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(duration)) ?? [];
  const factor = units[unit];
  if (digits === undefined || factor === undefined)
    throw new TypeError(
      `Cannot read the time span ${JSON.stringify(duration)}: expected milliseconds or "10s", "200ms"`,
    );
  return Number(digits) * factor;
};
