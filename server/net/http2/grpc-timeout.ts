/** Milliseconds of each unit of `grpc-timeout`. */
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
const maxDigits = 8;

/** Parses `grpc-timeout` (gRPC over HTTP/2): at most eight digits and a unit. @returns milliseconds; undefined: malformed */
export const parseTimeout = (text: string): number | undefined => {
  const last = text.length - 1;
  const unit = unitMs[text.charAt(last)];
  if (unit === undefined || last < 1 || last > maxDigits) return undefined;
  let value = 0;
  for (let at = 0; at < last; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value * unit;
};
