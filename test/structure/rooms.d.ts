/** Imports by room. */
export const rooms: Readonly<Record<string, readonly string[]>>;
export function roomOf(file: string): string | undefined;
