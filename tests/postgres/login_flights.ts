import { createEngine, sessionmaker } from "../../mod.ts";
import { postgres, type PostgresOptions } from "../../src/postgres/mod.ts";
import { wireCounter } from "../support/wire_counter.ts";

/**
 * Counts, at the wire, how often each of some sessions has waited for the
 * server by the time that its first statement was answered. They follow each
 * other, each with a connection of its own.
 *
 * @param url The server's URL.
 * @param count How many sessions.
 * @param options Those of the driver.
 */
export async function flightsOf(
  url: string,
  count: number,
  options?: PostgresOptions,
): Promise<number[]> {
  await using counter = wireCounter(url);
  const counted = Object.assign(new URL(url), { port: counter.port });
  await using engine = createEngine(postgres(counted.href, options));
  const Session = sessionmaker(engine);
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    await Session.begin(async (db) => {
      counter.take();
      await db.execute("select 1");
      found.push(counter.take().flights);
    });
    await engine.idle();
  }
  return found;
}
