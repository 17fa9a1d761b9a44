/** A random number from 0 below `limit`, the same for the same seed. */
export type Random = (limit: number) => number;

/** Mulberry32. */
export function seeded(seed: number): Random {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * limit) | 0;
  };
}

/** The seed of the environment, or a new one; told, so that a failure can be played again. */
export function testSeed(): number {
  const given = Deno.env.get("NULLPOOL_TEST_SEED");
  const seed = given === undefined
    ? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
    : Number(given);
  console.log(`NULLPOOL_TEST_SEED=${seed}`);
  return seed;
}
