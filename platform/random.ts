/** The machine's source of random numbers, uniform in [0, 1). */
export const systemRandom = (): number => Math.random();
