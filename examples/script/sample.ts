import process from "node:process";

/** Prints readings to import: as many as are asked for, or 100,000. */
const count = Number(process.argv[2] ?? 100_000);
const start = Date.UTC(2026, 0, 1);

for (let n = 0; n < count; n++) {
  const at = new Date(start + Math.floor(n / 10) * 60_000).toISOString();
  const value = (20 + 5 * Math.sin(n / 1000)).toFixed(3);
  console.log(`sensor-${n % 10},${at},${value}`);
}
