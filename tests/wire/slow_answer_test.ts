import { assertEquals } from "@std/assert";
import { createEngine, sessionmaker } from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { neonWebSocket } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { pipe } from "../support/pipe.ts";
import { testDatabase } from "../support/postgres.ts";

/** Milliseconds for which the server may be silent. */
const TIMEOUT = 1_000;

/** Milliseconds between two pieces of an answer. */
const PAUSE = 40;

/** Bytes of an answer that takes longer than the server may be silent. */
const SIZE = 40 * 65_536;

/** A relay to a server whose answers arrive a piece at a time. */
async function slowly(
  target: string,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const { hostname, port } = new URL(target);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const client = await listener.accept();
    const server = await Deno.connect({ hostname, port: Number(port) });
    const slow: Deno.TcpConn = Object.assign(Object.create(client), {
      async write(bytes: Uint8Array<ArrayBuffer>) {
        if (bytes.length > 4_096) {
          await new Promise((resolve) => setTimeout(resolve, PAUSE));
        }
        return await client.write(bytes);
      },
    });
    const up = pipe(client, server, (bytes) => bytes);
    await Promise.race([up, pipe(server, slow, (bytes) => bytes)]);
    client.close();
    server.close();
    await up;
  })();
  try {
    const url = new URL(target);
    url.port = String(listener.addr.port);
    await run(url.href);
    await serving;
  } finally {
    listener.close();
  }
}

for (const driverOf of [postgres, neonWebSocket]) {
  for (const count of [1, 20]) {
    Deno.test(`${driverOf.name}() hears an answer of ${count} rows that takes its time`, async () => {
      await using database = await testDatabase();
      await using server = await serveNeon({ backend: database.url, port: 0 });
      const target = driverOf === postgres ? database.url : server.url;
      await slowly(target, async (url) => {
        const engine = createEngine(driverOf(url), {
          transaction: { statementTimeout: TIMEOUT },
        });
        const { rows } = await sessionmaker(engine).begin((db) =>
          db.execute(
            `select repeat('x', ${SIZE / count}) as v
            from generate_series(1, ${count})`,
          )
        );
        const length = rows.reduce((sum, { v }) => sum + String(v).length, 0);
        assertEquals([rows.length, length], [count, SIZE]);
        await engine.dispose();
      });
    });
  }
}
