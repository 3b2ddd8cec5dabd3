// Integers by the rules of protojson: `1`, `1.0` and `1e0` are the same, as numbers and as strings.

interface Range {
  readonly min: bigint;
  readonly max: bigint;
}

/** The ranges of the integer types. */
export const integerRanges: Readonly<Record<"int32" | "uint32" | "int64" | "uint64", Range>> = {
  int32: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  uint32: { min: 0n, max: 2n ** 32n - 1n },
  int64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  uint64: { min: 0n, max: 2n ** 64n - 1n },
};

/** The longest valid integers have 20 digits; longer ones are not parsed. */
const maxDigits = 20;
const plainDigits = /^(?:0|[1-9]\d{0,14})$/;
/** A number at the beginning of a text, up to a character that ends it. The exponent may lack digits, as in Go. */
const leadingNumber = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+|[+-]?(?=[^])))?(?![-+._a-zA-Z0-9])/;

/** Parses an integer. @returns undefined: the text is no integer within the range */
export const integerOf = (text: string, { min, max }: Range): bigint | undefined => {
  if (plainDigits.test(text)) return valueInRange(BigInt(text), min, max);
  const [, sign = "", whole = "", fraction = "", exponent = ""] = leadingNumber.exec(text) ?? [];
  if (whole === "") return undefined;
  const digits = shiftPoint(whole === "0" ? "" : whole, fraction.replace(/0+$/, ""), exponent);
  return digits === undefined ? undefined : valueInRange(BigInt(sign + digits), min, max);
};

const valueInRange = (value: bigint, min: bigint, max: bigint): bigint | undefined =>
  value >= min && value <= max ? value : undefined;

/** Shifts the decimal point by the exponent. @returns undefined: digits are left behind the point, or there are too many digits */
const shiftPoint = (whole: string, fraction: string, exponentText: string): string | undefined => {
  if (whole === "" && fraction === "") return "0";
  const exponent = exponentText === "" ? 0 : Number(exponentText);
  if (!Number.isInteger(exponent) || Math.abs(exponent) >= 2 ** 31) return undefined;
  if (exponent >= 0) {
    if (fraction.length > exponent || whole.length + exponent > maxDigits) return undefined;
    return whole + fraction + "0".repeat(exponent - fraction.length);
  }
  const point = whole.length + exponent;
  if (fraction !== "" || point < 0 || /[^0]/.test(whole.slice(point))) return undefined;
  return whole.slice(0, point);
};
