import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { is, sql } from "drizzle-orm";
import { PgDatabase } from "drizzle-orm/pg-core";
import {
  createEngine,
  ScopeError,
  Session,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { type Propagation, scopedSession } from "../../src/scoped/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { numbers, scopeTest, stored } from "./scope_bed.ts";

scopeTest("gives each task its own session", async (scope, database) => {
  const { db } = scope;
  const backends = await Promise.all(
    [1, 2, 3].map((n) =>
      scope.run(async (session) => {
        assert(scope.current === session);
        await db.insert(numbers).values({ n });
        const { rows } = await db.execute("select pg_backend_pid() as pid");
        if (n !== 2) await db.commit();
        return rows[0]?.pid;
      })
    ),
  );
  assertEquals(new Set(backends).size, 3);
  assertEquals(await stored(database), [1, 3]);
});

scopeTest("a query is the task's that gives it back", async (scope) => {
  const query = () => scope.db.select().from(numbers);
  assertEquals(await scope.run(query), []);
  assertEquals(await scope.begin(query), []);
  // Made by nobody's task, it is run by this one.
  const made = query();
  assertEquals(await scope.run(() => made), []);
});

scopeTest("db is a Drizzle database and a session", async (scope) => {
  const { db } = scope;
  assert(is(db, PgDatabase));
  assert(db instanceof Session);
  assert("commit" in db && "select" in db);
  // Libraries read the structure when they are imported.
  assertEquals(Object.keys(db._.schema ?? {}), ["numbers"]);
  assertEquals(Object.keys(db.query), ["numbers"]);
  assertEquals(await db, db);
  const part = db.$with("part").as((qb) => qb.select().from(numbers));
  await scope.run(async () => {
    assertEquals(await db.with(part).select().from(part), []);
    assertEquals(await db.query.numbers.findMany(), []);
    assertEquals(await db.$count(numbers), 0);
  });
});

scopeTest("never falls back to a shared session", async ({ db }) => {
  const outside = [
    () => db.select().from(numbers).then(() => {}),
    () => db.execute("select 1").then(() => {}),
    () => db.query.numbers.findMany().then(() => {}),
    () => db.$count(numbers).then(() => {}),
    () => db.transaction(() => Promise.resolve()),
  ];
  for (const call of outside) {
    // Built without complaint, refused when it runs.
    const error = await assertRejects(async () => await call(), ScopeError);
    assertEquals(error.code, "NO_SCOPE");
    assert(error.message.includes("scope.run"), error.message);
  }
  assertThrows(() => db.commit(), ScopeError);
  assertThrows(() => db.inTransaction, ScopeError);
});

scopeTest(
  "a query belongs to the scope that built it",
  async (scope, database) => {
    const { db } = scope;
    const kept = await scope.run((first) =>
      scope.run(async (second) => {
        const built = db.insert(numbers).values({ n: 1 });
        await scope.enter(first, async () => {
          await built;
          await first.rollback();
        });
        await second.commit();
        return [db.insert(numbers).values({ n: 2 })];
      })
    );
    assertEquals(await stored(database), [1]);
    const error = await assertRejects(
      () => scope.run(async () => void await kept[0]),
      StateError,
    );
    assertEquals(error.code, "SESSION_CLOSED");
  },
);

scopeTest(
  "a query built outside belongs to whoever runs it",
  async (scope, database) => {
    const insert = scope.db.insert(numbers).values({ n: sql.placeholder("n") })
      .prepare("insert_number");
    const everything = scope.db.select().from(numbers);
    await scope.run(async (db) => {
      await insert.execute({ n: 5 });
      assertEquals(await everything, [{ n: 5 }]);
      await db.commit();
    });
    await scope.run(() => insert.execute({ n: 6 }));
    const prepared = await scope.run((db) =>
      Promise.resolve(db.select().from(numbers).prepare("inside"))
    );
    await scope.run(async () => {
      assertEquals(await prepared.execute(), [{ n: 5 }]);
    });
    assertEquals(await stored(database), [5]);
    await assertRejects(() => insert.execute({ n: 7 }), ScopeError);
  },
);

scopeTest(
  "db inside a block is the block's handle",
  async (scope, database) => {
    const { db } = scope;
    await scope.run(async () => {
      await db.insert(numbers).values({ n: 1 });
      await assertRejects(() =>
        db.transaction(async () => {
          await db.insert(numbers).values({ n: 2 });
          await db.transaction(() => db.insert(numbers).values({ n: 3 }));
          assertEquals(await db.$count(numbers), 3);
          throw new Error("undo 2 and 3");
        })
      );
      assertEquals(await db.$count(numbers), 1);
      await db.commit();
    });
    assertEquals(await stored(database), [1]);
  },
);

scopeTest("two blocks at once are told apart", async (scope, database) => {
  const { db } = scope;
  await scope.run(async () => {
    await db.begin();
    const outcomes = await Promise.allSettled(
      [1, 2].map((n) =>
        db.transaction(async () => {
          await db.insert(numbers).values({ n });
          await db.insert(numbers).values({ n: 10 * n });
        })
      ),
    );
    assertEquals(outcomes.map(({ status }) => status), [
      "fulfilled",
      "rejected",
    ]);
    await db.commit();
  });
  assertEquals(await stored(database), [1, 10]);
});

scopeTest(
  "begin() commits what it opened and joins what is open",
  async (scope, database) => {
    const { db } = scope;
    await scope.begin(() => db.insert(numbers).values({ n: 1 }));
    await scope.run(async () => {
      await db.insert(numbers).values({ n: 2 });
      await scope.begin(() => db.insert(numbers).values({ n: 3 }));
    });
    assertEquals(await stored(database), [1]);
    await scope.run(async () => {
      await scope.begin(() => db.insert(numbers).values({ n: 4 }));
    });
    assertEquals(await stored(database), [1, 4]);
  },
);

scopeTest("begin() behind reads commits", async (scope, database) => {
  const { db } = scope;
  await scope.run(async () => {
    await db.select().from(numbers);
    await scope.begin(() => db.insert(numbers).values({ n: 1 }));
    await db.select().from(numbers);
    await scope.begin(() => db.insert(numbers).values({ n: 2 }), {
      propagation: "nested",
    });
  });
  assertEquals(await stored(database), [1, 2]);
  await scope.run(async () => {
    void db.enqueue(db.insert(numbers).values({ n: 3 }));
    await scope.begin(() => db.insert(numbers).values({ n: 4 }));
  });
  assertEquals(await stored(database), [1, 2]);
});

scopeTest(
  "begin() beside another keeps all of it, or nothing",
  async (scope, database) => {
    const { db } = scope;

    /** Two at once, of which the first one ends its transaction. */
    async function both(first: number, second: number): Promise<string[]> {
      const outcomes = await scope.run(() =>
        Promise.allSettled(
          [first, second].map((pause, at) =>
            scope.begin(async () => {
              await db.insert(numbers).values({ n: at });
              await new Promise((resolve) => setTimeout(resolve, pause));
              await db.insert(numbers).values({ n: at + 10 });
            })
          ),
        )
      );
      return outcomes.map((outcome) =>
        outcome.status === "fulfilled" ? "kept" : outcome.reason.code
      );
    }
    assertEquals(await both(20, 150), ["SESSION_BUSY", "TRANSACTION_ENDED"]);
    assertEquals(await stored(database), []);
    assertEquals(await both(150, 20), ["kept", "kept"]);
    assertEquals(await stored(database), [0, 1, 10, 11]);
  },
);

scopeTest(
  "begin() hears that what it has joined was undone",
  async (scope, database) => {
    const { db } = scope;
    const joined = Promise.withResolvers<unknown>();
    await assertRejects(
      () =>
        scope.begin(async () => {
          scope.begin(async () => {
            await db.insert(numbers).values({ n: 1 });
            await new Promise((resolve) => setTimeout(resolve, 50));
          }).then(joined.resolve, joined.reject);
          await db.select().from(numbers);
          throw new Error("mine");
        }),
      Error,
      "mine",
    );
    const error = await assertRejects(() => joined.promise, StateError);
    assertEquals(error.code, "TRANSACTION_ENDED");
    assertEquals(await stored(database), []);
    // Who commits by hand has ended it for all.
    await scope.begin(() =>
      scope.begin(async () => {
        await db.insert(numbers).values({ n: 2 });
        await db.commit();
      })
    );
    assertEquals(await stored(database), [2]);
  },
);

/** What each propagation does outside, without and with a transaction. */
const PROPAGATIONS: readonly [Propagation, string, string, string][] = [
  ["required", "kept", "kept", "with outer"],
  ["requiresNew", "kept", "kept", "kept"],
  ["nested", "kept", "kept", "with outer"],
  ["mandatory", "refused", "refused", "with outer"],
  ["never", "undone", "with outer", "refused"],
  ["supports", "undone", "with outer", "with outer"],
  ["notSupported", "undone", "undone", "undone"],
];

for (const [propagation, outside, without, within] of PROPAGATIONS) {
  scopeTest(
    `begin() with propagation ${propagation}`,
    async (scope, database) => {
      const { db } = scope;

      /** Runs it, then tells what became of its row, by what the outer did. */
      async function attempt(n: number): Promise<string> {
        return await scope.begin(
          () => db.insert(numbers).values({ n }).then(() => "done"),
          { propagation },
        ).catch((error) => {
          assert(error instanceof StateError, error);
          return "refused";
        });
      }
      const outcomes = [await attempt(1)];
      await scope.run(async () => void outcomes.push(await attempt(2)));
      await scope.run(async () => {
        await attempt(3);
        await db.commit();
      });
      await scope.run(async () => {
        await db.insert(numbers).values({ n: 10 });
        outcomes.push(await attempt(4));
      });
      await scope.run(async () => {
        await db.insert(numbers).values({ n: 20 });
        await attempt(5);
        await db.commit();
      });
      const rows = await stored(database);
      const fate = (
        outcome: string | undefined,
        alone: number,
        outer: number,
      ) =>
        outcome === "refused"
          ? "refused"
          : rows.includes(alone)
          ? "kept"
          : rows.includes(outer)
          ? "with outer"
          : "undone";
      assertEquals(
        [
          fate(outcomes[0], 1, 0),
          fate(outcomes[1], 2, 3),
          fate(outcomes[2], 4, 5),
        ],
        [outside, without, within],
      );
    },
  );
}

scopeTest("begin() behind its task is by itself", async (scope, database) => {
  const { db } = scope;
  const claims = { sub: "ada" };
  // As a runtime calls back in the async context of what has ended.
  const late = await scope.run(() =>
    Promise.resolve(
      scope.bind((n: number) =>
        scope.begin(() => db.insert(numbers).values({ n }))
      ),
    )
  );
  await Promise.all([late(1), late(2)]);
  assertEquals(await stored(database), [1, 2]);
  const asked = await scope.run(
    () =>
      Promise.resolve(
        scope.bind(() =>
          scope.begin((own) => Promise.resolve(own.identity.claims))
        ),
      ),
    { claims },
  );
  assertEquals(await asked(), claims);
});

scopeTest("begin() ignores no option with any propagation", async (scope) => {
  const { rows } = await scope.begin(
    (db) => db.execute("show transaction_read_only"),
    { propagation: "notSupported", readOnly: true },
  );
  assertEquals(rows, [{ transaction_read_only: "on" }]);
  await scope.begin(async () => {
    const error = await assertRejects(
      () =>
        scope.begin(() => Promise.resolve(), {
          propagation: "nested",
          isolationLevel: "serializable",
        }),
      StateError,
    );
    assertEquals(error.code, "TRANSACTION_OPEN");
  });
});

scopeTest(
  "begin() with propagation nested undoes itself alone",
  async (scope, database) => {
    const { db } = scope;
    await scope.begin(async () => {
      await db.insert(numbers).values({ n: 1 });
      await assertRejects(() =>
        scope.begin(async () => {
          await db.insert(numbers).values({ n: 2 });
          throw new Error("undo 2");
        }, { propagation: "nested" })
      );
    });
    assertEquals(await stored(database), [1]);
    await assertRejects(
      () =>
        // @ts-expect-error: the type refuses it as well
        scope.begin(() => Promise.resolve(), { propagation: "sometimes" }),
      RangeError,
      "propagation",
    );
  },
);

scopeTest("bind() carries a task into another context", async (scope) => {
  const { promise, resolve } = Promise.withResolvers<() => boolean>();
  const elsewhere = promise.then((bound) => bound());
  const bound = await scope.run(async (session) => {
    resolve(scope.bind(() => scope.current === session));
    assert(await elsewhere);
    return scope.bind(() => scope.current.state);
  });
  // The session is let go, and not the answer.
  assertEquals(bound(), "closed");
  assertThrows(() => scope.bind(() => {}), ScopeError);
});

scopeTest("200 tasks at once never mix", async (scope, database) => {
  const { db } = scope;
  for (let wave = 0; wave < 4; wave++) {
    await Promise.all(Array.from({ length: 50 }, (_, at) => {
      const n = wave * 50 + at;
      return scope.run(async () => {
        await db.insert(numbers).values({ n });
        const rows = await db.select().from(numbers)
          .where(sql`xmin::text = pg_current_xact_id()::xid::text`);
        assertEquals(rows, [{ n }]);
        if (n % 2 === 0) await db.commit();
      });
    }));
  }
  assertEquals(
    await stored(database),
    Array.from({ length: 100 }, (_, at) => at * 2),
  );
});

Deno.test("scopedSession follows a class that is given", async () => {
  let runs = 0;
  class Storage {
    #store: unknown;
    run<T>(store: unknown, callback: () => T): T {
      runs++;
      this.#store = store;
      return callback();
    }
    getStore(): unknown {
      return this.#store;
    }
  }
  const Session = sessionmaker(createEngine(recordingDriver()));
  const scope = scopedSession(Session, { AsyncLocalStorage: Storage });
  await scope.run((db) => Promise.resolve(assert(scope.current === db)));
  assertEquals(runs, 1);
});
