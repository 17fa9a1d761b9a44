import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import { ScopeError, StateError } from "../../mod.ts";
import type { Propagation } from "../../src/scoped/mod.ts";
import { numbers, scopeTest, stored } from "./scope_bed.ts";

scopeTest(
  "a block of an opened session needs no scope",
  async (scope, database) => {
    await using opened = scope.open();
    await opened.transaction(async (tx) => {
      assert(scope.current === opened);
      await tx.insert(numbers).values({ n: 1 });
      await scope.db.insert(numbers).values({ n: 2 });
    });
    assertEquals(await stored(database), [1, 2]);
  },
);

scopeTest(
  "a block of an opened session is its own in any scope",
  async (scope, database) => {
    await using opened = scope.open();
    await scope.run(async (other) => {
      await other.insert(numbers).values({ n: 10 });
      await opened.transaction(async () => {
        assert(scope.current === opened);
        await scope.db.insert(numbers).values({ n: 1 });
        await scope.db.transaction(() =>
          scope.db.insert(numbers).values({ n: 2 })
        );
      });
      assert(scope.current === other);
    });
    assertEquals(await stored(database), [1, 2]);
  },
);

scopeTest("an opened session streams what it sees itself", async (scope) => {
  await using opened = scope.open();
  await opened.insert(numbers).values({ n: 1 });
  async function streamed(db: typeof opened = opened): Promise<number[]> {
    const seen: number[] = [];
    const raw = sql<{ n: number }>`select n from numbers`;
    for (const query of [db.select().from(numbers), raw]) {
      for await (const { n } of db.stream(query)) seen.push(n);
    }
    return seen;
  }
  assertEquals(await streamed(), [1, 1]);
  await scope.run(async (other) => {
    assertEquals(await streamed(), [1, 1]);
    assertFalse(other.inTransaction);
  });
  // Inside its own block it is the block that may speak.
  await opened.transaction(async () => {
    await assertRejects(() => streamed(), StateError);
    assertEquals(await streamed(scope.db), [1, 1]);
  });
});

/** What works in the transaction that is open. */
const JOINING: readonly Propagation[] = [
  "required",
  "mandatory",
  "supports",
  "nested",
];

for (const propagation of JOINING) {
  scopeTest(
    `begin() with propagation ${propagation} gives what works in the block`,
    async (scope, database) => {
      const { db } = scope;
      const begin = (n: number) =>
        scope.begin((given) => given.insert(numbers).values({ n }), {
          propagation,
        });
      await scope.begin(() => begin(1));
      // The block is the transaction here, and a savepoint of it there.
      await scope.run(() => db.transaction(() => begin(2)));
      await scope.begin(() => db.transaction(() => begin(3)));
      assertEquals(await stored(database), [1, 2, 3]);
    },
  );
}

scopeTest(
  "what a nested task was given ends with it",
  async (scope, database) => {
    await scope.begin(async (outer) => {
      await outer.insert(numbers).values({ n: 1 });
      await assertRejects(() =>
        scope.begin(async (given) => {
          await given.insert(numbers).values({ n: 2 });
          throw new Error("undo 2");
        }, { propagation: "nested" })
      );
      await outer.insert(numbers).values({ n: 3 });
    });
    assertEquals(await stored(database), [1, 3]);
  },
);

scopeTest(
  "a session is refused inside the scope of another task",
  async (scope, database) => {
    const kept = Promise.withResolvers<typeof scope.db>();
    const tried = Promise.withResolvers<void>();
    const first = scope.run(async (db) => {
      await db.insert(numbers).values({ n: 1 });
      kept.resolve(db);
      await tried.promise;
      // It is as it was, and a task that it waits for may use it.
      await scope.run(async () => {
        await db.insert(numbers).values({ n: 2 });
      });
      await db.commit();
    });
    const second = scope.run(async (own) => {
      const foreign = await kept.promise;
      for (
        const call of [
          async () => await foreign.insert(numbers).values({ n: 3 }),
          () => foreign.transaction(() => Promise.resolve()),
          () => foreign.commit(),
        ]
      ) {
        const error = await assertRejects(call, ScopeError);
        assertEquals(error.code, "FOREIGN_SCOPE");
      }
      await own.insert(numbers).values({ n: 4 });
      await own.commit();
      tried.resolve();
    });
    await Promise.all([first, second]);
    assertEquals(await stored(database), [1, 2, 4]);
  },
);
