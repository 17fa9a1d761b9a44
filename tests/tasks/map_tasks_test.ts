import { assert, assertEquals, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  AssertionPool,
  ConnectionError,
  createEngine,
  DatabaseError,
  mapTasks,
  NullPool,
  type PoolFactory,
  QueuePool,
  type Sessionmaker,
  sessionmaker,
  StateError,
  StaticPool,
  type TaskProgress,
} from "../../mod.ts";
import { pglite } from "../../src/pglite/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { asleep } from "../session/session_bed.ts";
import { testPGlite } from "../support/pglite.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

function taskTest(
  name: string,
  run: (Session: Sessionmaker, database: TestDatabase) => Promise<void>,
): void {
  Deno.test(`mapTasks ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table done (n int primary key)",
    });
    await using engine = createEngine(postgres(database.url));
    await run(sessionmaker(engine), database);
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

taskTest(
  "gives each item a session and keeps the order",
  async (Session, database) => {
    let running = 0;
    let most = 0;
    const pids = await mapTasks(Session, [5, 4, 3, 2, 1], async (db, n) => {
      most = Math.max(most, ++running);
      const { rows } = await db.execute(
        sql`select ${n}::int as n, pg_sleep(${n} * 0.01)`,
      );
      await db.execute(sql`insert into done values (${n})`);
      running--;
      return rows[0]?.n;
    }, { concurrency: 3 });
    assertEquals(pids, [5, 4, 3, 2, 1]);
    assertEquals(most, 3);
    assertEquals((await database.query("select * from done")).length, 5);
  },
);

taskTest(
  "stops at the first failure and waits for the others",
  async (Session, database) => {
    const started: number[] = [];
    let finished = 0;
    const error = await assertRejects(
      () =>
        mapTasks(Session, [1, 2, 3, 4, 5, 6], async (db, n, { signal }) => {
          started.push(n);
          if (n === 1) {
            await asleep(database);
            await db.execute("select * from nowhere");
          }
          await db.execute(sql`insert into done values (${n})`);
          const cancelled = await assertRejects(
            () => db.execute("select pg_sleep(60)").then(() => {}),
            ConnectionError,
          );
          assertEquals([cancelled.code, signal.aborted], ["ABORTED", true]);
          finished++;
          throw new Error("the second failure");
        }, { concurrency: 2 }),
      DatabaseError,
    );
    assertEquals(started, [1, 2]);
    assertEquals(finished, 1);
    assertEquals(error.suppressed.map(String), ["Error: the second failure"]);
    assertEquals(await database.query("select * from done"), []);
  },
);

taskTest("commits nothing when told so", async (Session, database) => {
  await mapTasks(
    Session,
    [1, 2],
    (db, n) => db.execute(sql`insert into done values (${n})`),
    { commit: "none" },
  );
  assertEquals(await database.query("select * from done"), []);
});

taskTest("hands out nothing after the caller gave up", async (Session) => {
  const abort = new AbortController();
  const started: number[] = [];
  const error = await assertRejects(
    () =>
      mapTasks(Session, [1, 2, 3], (_db, n) => {
        started.push(n);
        abort.abort(new Error("enough"));
        return Promise.resolve();
      }, { concurrency: 1, signal: abort.signal }),
    Error,
    "enough",
  );
  assertEquals(started, [1]);
  assert(error === abort.signal.reason);
});

/** Resolves when a signal fires. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener("abort", resolve));
}

taskTest("the first failure does not suppress itself", async (Session) => {
  const error = await assertRejects(
    () =>
      mapTasks(Session, [1, 2, 3], async (db, n, { signal }) => {
        if (n === 1) await db.execute("select * from nowhere");
        await aborted(signal);
        signal.throwIfAborted();
      }, { concurrency: 3 }),
    DatabaseError,
  );
  assertEquals(error.suppressed, []);
  // A circle would throw here.
  JSON.stringify(error);
});

/** Numbers, without end if none is given, that note when they are ended. */
function notingItems(
  log: string[],
  options: { readonly count?: number; readonly onEnd?: () => void } = {},
): Iterable<number> {
  const { count = Infinity, onEnd } = options;
  let n = 0;
  return {
    [Symbol.iterator]: () => ({
      next: () =>
        n < count
          ? { done: false, value: n++ }
          : { done: true, value: undefined },
      return() {
        log.push("return");
        onEnd?.();
        return { done: true, value: undefined };
      },
    }),
  };
}

const FIRST = "the first failure";

/** Workers at once; the first one fails when the others run, who end after it. */
async function failFirst(
  items: Iterable<number>,
  log: string[],
  others = 2,
): Promise<StateError> {
  const Session = sessionmaker(createEngine(recordingDriver()));
  const allRun = Promise.withResolvers<void>();
  return await assertRejects(
    () =>
      mapTasks(Session, items, async (_db, n, { signal }) => {
        if (n === others) allRun.resolve();
        if (n === 0) {
          await allRun.promise;
          throw new StateError("SESSION_BUSY", FIRST);
        }
        await aborted(signal);
        log.push(`end ${n}`);
      }, { concurrency: 3 }),
    StateError,
    FIRST,
  );
}

Deno.test("mapTasks ends the items once, behind the last worker", async () => {
  const log: string[] = [];
  await failFirst(notingItems(log), log);
  assertEquals(log, ["end 1", "end 2", "return"]);
});

Deno.test("mapTasks items that fail to end hide no failure", async () => {
  const log: string[] = [];
  const onEnd = () => {
    throw new Error("of return()");
  };
  const error = await failFirst(notingItems(log, { onEnd }), log);
  assertEquals(error.suppressed.map(String), ["Error: of return()"]);
  assertEquals(log, ["end 1", "end 2", "return"]);
});

Deno.test("mapTasks does not end items that have ended", async () => {
  const log: string[] = [];
  await failFirst(notingItems(log, { count: 2 }), log, 1);
  assertEquals(log, ["end 1"]);
  const items = {
    [Symbol.iterator]: () => ({
      next(): IteratorResult<number> {
        throw new Error("of next()");
      },
      return() {
        log.push("return");
        return { done: true as const, value: undefined };
      },
    }),
  };
  const Session = sessionmaker(createEngine(recordingDriver()));
  await assertRejects(
    () => mapTasks(Session, items, () => Promise.resolve()),
    Error,
    "of next()",
  );
  assertEquals(log, ["end 1"]);
});

Deno.test("mapTasks refuses bad options", async () => {
  const Session = sessionmaker(createEngine(postgres("postgres://u@h/d")));
  const nothing = () => Promise.resolve();
  await assertRejects(
    () => mapTasks(Session, [], nothing, { concurrency: 0 }),
    RangeError,
    "concurrency",
  );
  await assertRejects(
    // @ts-expect-error: the type refuses it as well
    () => mapTasks(Session, [], nothing, { commit: "all" }),
    RangeError,
    "commit",
  );
});

Deno.test("mapTasks on PGlite takes turns", async () => {
  await using lite = await testPGlite();
  await using engine = createEngine(pglite(lite));
  const Session = sessionmaker(engine);
  const results = await mapTasks(Session, [1, 2, 3, 4], async (db, n) => {
    const { rows } = await db.execute(sql`select ${n}::int as n`);
    return rows[0]?.n;
  }, { concurrency: 4 });
  assertEquals(results, [1, 2, 3, 4]);
});

taskTest("collects what became of each", async (Session, database) => {
  const progress: TaskProgress[] = [];
  const outcomes = await mapTasks(Session, [1, 2, 3], async (db, n) => {
    await db.execute(sql`insert into done values (${n})`);
    if (n === 2) throw new Error("the second fails");
    return n;
  }, {
    concurrency: 1,
    onError: "collect",
    onProgress: (at) => progress.push(at),
  });
  assertEquals(outcomes.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  assertEquals(progress, [
    { done: 1, failed: 0, total: 3 },
    { done: 2, failed: 1, total: 3 },
    { done: 3, failed: 1, total: 3 },
  ]);
  assertEquals(
    await database.query("select n from done order by n"),
    [{ n: 1 }, { n: 3 }],
  );
});

taskTest("asks an async source when a worker is free", async (Session) => {
  let asked = 0;
  let done = 0;
  let isClosed = false;
  async function* source() {
    try {
      for (let n = 0; n < 20; n++) {
        // One ahead of those that are worked on would be too many.
        assert(++asked - done <= 2, `${asked} asked, ${done} done`);
        yield await Promise.resolve(n);
      }
    } finally {
      isClosed = true;
    }
  }
  const squares = await mapTasks(Session, source(), async (db, n) => {
    const { rows } = await db.execute(sql`select ${n}::int * ${n}::int as s`);
    done++;
    return rows[0]?.s;
  }, { concurrency: 2 });
  assertEquals(squares, Array.from({ length: 20 }, (_, n) => n * n));
  assert(isClosed);
});

taskTest("ends a source that is slow when a task fails", async (Session) => {
  const never = new Promise<number>(() => {});
  const answers = [Promise.resolve(1)];
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({
        done: false as const,
        value: await (answers.shift() ?? never),
      }),
      return: () => Promise.reject(new Error("is pending")),
    }),
  };
  await assertRejects(
    () => mapTasks(Session, source, () => Promise.reject(new Error("fails"))),
    Error,
    "fails",
  );
});

taskTest("throws the caller's reason when told to stop", async (Session) => {
  const controller = new AbortController();
  const reason = new Error("enough");
  let started = 0;
  const error = await mapTasks(Session, [1, 2, 3], async (_, n, { signal }) => {
    started++;
    if (n === 2) controller.abort(reason);
    await Promise.resolve();
    signal.throwIfAborted();
  }, { concurrency: 1, signal: controller.signal, onError: "collect" })
    .catch((thrown) => thrown);
  assert(error === reason);
  assertEquals(started, 2);
});

Deno.test("mapTasks attaches the other failures to any error", async () => {
  const Session = sessionmaker(createEngine(recordingDriver()));
  const bothRun = Promise.withResolvers<void>();
  const error = await mapTasks(Session, [1, 2], async (_, n) => {
    if (n === 2) bothRun.resolve();
    await bothRun.promise;
    throw new Error(`failure ${n}`);
  }).catch((thrown) => thrown);
  assertEquals(String(error), "Error: failure 1");
  assertEquals(error.suppressed.map(String), ["Error: failure 2"]);
  assertEquals(Object.keys(error), []);
});

Deno.test("mapTasks works on as many as the engine can lend", async () => {
  const pools: [PoolFactory, number][] = [
    [(driver) => new StaticPool(driver), 1],
    [(driver) => new AssertionPool(driver), 1],
    [(driver) => new QueuePool(driver, { poolSize: 2, maxOverflow: 1 }), 3],
    [(driver) => new NullPool(driver, { maxOpen: 4 }), 4],
    [(driver) => new NullPool(driver), 5],
    [(driver) => new QueuePool(driver, { maxOverflow: -1 }), 5],
  ];
  for (const [pool, expected] of pools) {
    await using engine = createEngine(recordingDriver(), { pool });
    let running = 0;
    let most = 0;
    await mapTasks(sessionmaker(engine), Array(20).fill(0), async (db) => {
      most = Math.max(most, ++running);
      await db.execute("select 1");
      running--;
    });
    assertEquals(most, expected);
  }
});

Deno.test("mapTasks refuses options by name", async () => {
  const Session = sessionmaker(createEngine(recordingDriver()));
  const work = () => Promise.resolve();
  for (
    const [name, options] of [
      ["concurrency", { concurrency: 1.5 }],
      ["commit", { commit: "all" }],
      ["onError", { onError: "ignore" }],
    ] as const
  ) {
    await assertRejects(
      // deno-lint-ignore no-explicit-any -- what JavaScript may pass
      () => mapTasks(Session, [], work, options as any),
      RangeError,
      `"${name}"`,
    );
  }
});

taskTest(
  "rolls back where setRollbackOnly() was called",
  async (Session, database) => {
    const done = await mapTasks(Session, [1, 2], async (db, n) => {
      await db.execute(sql`insert into done values (${n})`);
      if (n === 1) db.setRollbackOnly();
      return n;
    });
    assertEquals(done, [1, 2]);
    assertEquals(await database.query("select * from done"), [{ n: 2 }]);
  },
);

Deno.test("mapTasks keeps no item that is done", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const Session = sessionmaker(createEngine(recordingDriver()));
  let alive = 0;
  const registry = new FinalizationRegistry(() => alive--);
  function* items() {
    for (let n = 0; n < 200; n++) {
      const item = { n };
      registry.register(item, undefined);
      alive++;
      yield item;
    }
  }
  let aliveAtEnd = Infinity;
  await mapTasks(Session, items(), async (_db, _item, { index }) => {
    if (index < 199) return;
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
    aliveAtEnd = alive;
  }, { concurrency: 2 });
  assert(aliveAtEnd < 20, `${aliveAtEnd} items are alive`);
});

taskTest("lets a worker end its own session", async (Session, database) => {
  await mapTasks(Session, [1, 2], async (db, n) => {
    await db.execute(sql`insert into done values (${n})`);
    if (n === 1) await db.commit();
    await db.close();
  });
  assertEquals(await database.query("select n from done"), [{ n: 1 }]);
});

taskTest(
  "takes a session that was ended for another's sake for no failure",
  async (Session) => {
    let begun = () => {};
    const hasBegun = new Promise<void>((resolve) => begun = resolve);
    const error = await assertRejects(() =>
      mapTasks(Session, ["waits", "fails"], async (db, item, { signal }) => {
        if (item === "fails") {
          await hasBegun;
          throw new Error("m4rk3r");
        }
        await db.execute("insert into done values (1)");
        begun();
        // It does not look why, and returns as if all were well.
        await orAborted(signal).catch(() => {});
      }, { concurrency: 2 })
    );
    assert(error instanceof Error && error.message === "m4rk3r");
    assertEquals(Object.keys(error), []);
    assert(!("suppressed" in error));
  },
);

/** Node warns of a signal with more of them, as of a leak. */
const LISTENERS = 10;

Deno.test("mapTasks gives many workers no signal that all of them listen to", async () => {
  const Session = sessionmaker(createEngine(recordingDriver()));
  let most = 0;
  let running = 0;
  let allRun = () => {};
  const all = new Promise<void>((resolve) => allRun = resolve);
  const outcomes = await mapTasks(
    Session,
    Array.from({ length: 100 }, (_, n) => n),
    async (db, n, { signal }) => {
      await db.execute("insert into done values (1)");
      if (++running === 20) allRun();
      await all;
      most = Math.max(most, getEventListeners(signal, "abort").length);
      if (n < 50) return n;
      if (n === 50) throw new Error("m4rk3r");
      await orAborted(signal);
    },
    { concurrency: 20 },
  ).catch((error) => error);
  assertEquals([outcomes.message, outcomes.suppressed], ["m4rk3r", undefined]);
  assert(most > 0 && most <= LISTENERS, `${most} listeners`);
});

/** Rejects with what another worker failed with. */
function orAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

Deno.test("mapTasks takes the characters of a string, as of any iterable", async () => {
  const Session = sessionmaker(createEngine(recordingDriver()));
  const totals = new Set<number | undefined>();
  const codes = await mapTasks(
    Session,
    "a\u{1f375}",
    (_, character) => Promise.resolve(character.codePointAt(0)),
    { onProgress: ({ total }) => totals.add(total) },
  );
  assertEquals(codes, [0x61, 0x1f375]);
  assertEquals([...totals], [undefined]);
});
