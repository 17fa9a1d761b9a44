import { assert, assertEquals, assertRejects } from "@std/assert";
import { Hono } from "hono";
import {
  ConnectionError,
  createEngine,
  NullPool,
  QueuePool,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import {
  controlPostgres,
  type EmbeddedPostgres,
  startPostgres,
} from "../support/embedded_postgres.ts";

/** A server of its own, because it gets into trouble. */
async function troubled(
  run: (server: EmbeddedPostgres) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  await Deno.chmod(directory, 0o777);
  const server = await startPostgres(directory, "max_connections = 20\n");
  try {
    await run(server);
  } finally {
    await controlPostgres(server, "stop").catch(() => {});
    await Deno.remove(directory, { recursive: true });
  }
}

/** What reading comes to. */
async function outcome(db: Session): Promise<string> {
  try {
    await db.execute("select 1");
    return "fine";
  } catch (error) {
    assert(error instanceof ConnectionError, String(error));
    return error.code;
  } finally {
    await db.close();
  }
}

Deno.test("a server with 20 connections serves 500 requests at once, with maxOpen", async () => {
  await troubled(async (server) => {
    await using engine = createEngine(postgres(server.url), {
      pool: (driver) => new NullPool(driver, { maxOpen: 15 }),
    });
    const app = new Hono<{ Variables: SessionVariables }>();
    app.use(dbSession(sessionmaker(engine))).get("/", async (c) => {
      const { rows } = await c.var.db.execute("select pg_sleep(0.001)");
      return c.json(rows);
    });
    const statuses = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const response = await app.request("/");
        await response.text();
        return response.status;
      }),
    );
    assertEquals(statuses.filter((status) => status !== 200), []);
    await engine.idle();
    assertEquals(engine.status().checkedOut, 0);
  });
});

Deno.test("a server in trouble is told as an error, and used again when it is well", async () => {
  await troubled(async (server) => {
    await using engine = createEngine(postgres(server.url));
    const Session = sessionmaker(engine);
    // Too many connections (53300).
    const crowd = await Promise.all(
      Array.from({ length: 60 }, () => outcome(Session())),
    );
    assert(crowd.includes("fine") && crowd.includes("CONNECT_FAILED"));
    assertEquals(await outcome(Session()), "fine");

    await using pooled = createEngine(postgres(server.url), {
      pool: (driver) => new QueuePool(driver, { poolSize: 3 }),
    });
    const Pooled = sessionmaker(pooled);
    await Promise.all([1, 2, 3].map(() => outcome(Pooled())));
    const open = Pooled();
    await open.execute("create table in_vain (id int)");
    // A restart ends every session (57P01).
    await controlPostgres(server, "restart");
    assertEquals(await outcome(open), "CONNECTION_LOST");
    // No connection of before is lent again.
    const after = await Promise.all([1, 2, 3, 4].map(() => outcome(Pooled())));
    assertEquals(after, ["fine", "fine", "fine", "fine"]);
    // Away, and back again.
    await controlPostgres(server, "stop");
    assertEquals(await outcome(Session()), "CONNECT_FAILED");
    assertEquals(await outcome(Pooled()), "CONNECT_FAILED");
    await controlPostgres(server, "start");
    assertEquals(await outcome(Session()), "fine");
    assertEquals(await outcome(Pooled()), "fine");
    await Promise.all([engine.idle(), pooled.idle()]);
    assertEquals(
      [engine.status().checkedOut, pooled.status().checkedOut],
      [0, 0],
    );
  });
});

Deno.test("a server that wakes up slowly is waited for", async () => {
  await troubled(async (server) => {
    const { hostname, port } = new URL(server.url);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const awake = Promise.withResolvers<void>();
    const serving = (async () => {
      const client = await listener.accept();
      await awake.promise;
      const backend = await Deno.connect({ hostname, port: Number(port) });
      await Promise.allSettled([
        client.readable.pipeTo(backend.writable),
        backend.readable.pipeTo(client.writable),
      ]);
    })();
    const url = new URL(server.url);
    url.port = String(listener.addr.port);
    await using engine = createEngine(postgres(url.href));
    const asked = outcome(sessionmaker(engine)());
    setTimeout(awake.resolve, 300);
    assertEquals(await asked, "fine");
    await engine.idle();
    listener.close();
    await serving;
  });
});

Deno.test("a host that nobody knows, or nobody is at, is told", async () => {
  const drivers = [
    postgres("postgres://u:marker@no-such-host.invalid/d"),
    neon("postgres://u:marker@no-such-host.invalid/d"),
    neon("postgres://u:marker@no-such-host.invalid/d", {
      transport: "websocket",
    }),
    postgres("postgres://u:marker@127.0.0.1:1/d"),
    neon("postgres://u:marker@127.0.0.1:1/d"),
    neon("postgres://u:marker@127.0.0.1:1/d", { transport: "websocket" }),
  ];
  for (const driver of drivers) {
    await using engine = createEngine(driver);
    await using db = sessionmaker(engine)();
    const error = await assertRejects(
      () => db.execute("select 1").then(() => {}),
      ConnectionError,
    );
    assertEquals([error.code, error.maybeExecuted], ["CONNECT_FAILED", IS_RUN]);
    assert(!Deno.inspect(error).includes("marker"), Deno.inspect(error));
    await db.close();
  }
});

/** Nothing was executed. */
const IS_RUN = false;
