// Ranges of the requests: all positions relative to `[f, m)`.
import { open, type Span, span } from "./grants.js";

export interface Shape extends Span {
  readonly name: string;
}

const shape = (name: string, key: string, rangeEnd?: string): Shape => ({ name, ...span(key, rangeEnd) });

/** Shapes of one key. */
export const keyShapes: readonly Shape[] = [
  shape("key before", "e"),
  shape("first key", "f"),
  shape("key after the first", "f\0"),
  shape("key of the prefix", "f/x"),
  shape("key within", "h"),
  shape("last key", "l\xff"),
  shape("key at the end", "m"),
  shape("key beyond", "p"),
  shape("empty key", ""),
  shape("key zero", "\0"),
];

/** Shapes of ranges. */
export const rangeShapes: readonly Shape[] = [
  shape("equal", "f", "m"),
  shape("one key as a range", "f", "f\0"),
  shape("one key within as a range", "h", "h\0"),
  shape("within", "g", "k"),
  shape("within the first half", "f", "h"),
  shape("across the middle", "h", "j"),
  shape("across the start", "e", "h"),
  shape("across the end", "k", "n"),
  shape("end one too late", "f", "m\0"),
  shape("around", "a", "z"),
  shape("before", "a", "c"),
  shape("up to the start", "a", "f"),
  shape("beyond", "n", "p"),
  shape("from the end", "m", "n"),
  shape("the prefix", "f/", "f0"),
  shape("within the prefix", "f/a", "f/b"),
  shape("open end from the start", "f", open),
  shape("open end from within", "h", open),
  shape("open end from before", "a", open),
  shape("open end from beyond", "p", open),
  shape("whole space", "\0", open),
  shape("whole space from the empty key", "", open),
  shape("from the empty key", "", "h"),
  shape("backwards", "m", "f"),
  shape("backwards within", "k", "g"),
  shape("backwards from within", "h", "a"),
  shape("empty", "g", "g"),
  shape("empty at the start", "f", "f"),
  shape("empty at the end", "m", "m"),
];

export const shapes: readonly Shape[] = [...keyShapes, ...rangeShapes];
