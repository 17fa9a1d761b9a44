import { assertEquals } from "@std/assert";
import { createEngine, QueuePool, sessionmaker } from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { orGivenUp } from "../../src/driver/give_up.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { neonWebSocket } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { cuttingRelay } from "../support/cutting_relay.ts";
import { testDatabase } from "../support/postgres.ts";

/** Milliseconds until something counts as hanging. */
const PATIENCE = 10_000;

/** The runtime's own WebSockets, which can outlive what has opened them. */
class OwnSocket extends WebSocket {
  static readonly closed: Promise<unknown>[] = [];

  constructor(url: string) {
    super(url);
    OwnSocket.closed.push(
      new Promise((resolve) => this.addEventListener("close", resolve)),
    );
  }
}

const DRIVERS: Readonly<Record<string, (url: string) => Driver>> = {
  "postgres()": (url) => postgres(url),
  "neonWebSocket()": (url) => neonWebSocket(url),
  "neonWebSocket() on the global WebSocket": (url) =>
    neonWebSocket(url, { WebSocket: OwnSocket }),
};

for (const [name, driverOf] of Object.entries(DRIVERS)) {
  Deno.test(`${name} ends a connection that has gone silent`, async () => {
    await using database = await testDatabase();
    await using server = await serveNeon({ backend: database.url, port: 0 });
    const target = name.startsWith("neon") ? server.url : database.url;
    const relay = cuttingRelay(target);
    const url = Object.assign(new URL(target), {
      hostname: "127.0.0.1",
      port: String(relay.port),
    });
    const engine = createEngine(driverOf(url.href), {
      // What is kept is too old when it is lent again, and is closed.
      pool: (driver) =>
        new QueuePool(driver, { poolSize: 1, maxOverflow: 0, recycle: 0 }),
    });
    const Session = sessionmaker(engine);
    const ask = () => Session.begin((db) => db.execute("select 1 as n"));
    await ask();
    await engine.idle();
    relay.forget();
    const { rows } = await orGivenUp(ask(), { timeout: PATIENCE });
    assertEquals(rows, [{ n: 1 }]);
    await engine.idle();
    relay.forget();
    await orGivenUp(engine.dispose(), { timeout: PATIENCE });
    assertEquals(engine.status().closing, 0);
    await relay[Symbol.asyncDispose]();
    await Promise.all(OwnSocket.closed);
  });
}
