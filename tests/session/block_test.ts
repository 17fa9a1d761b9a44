import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  DatabaseError,
  IntegrityError,
  type Session,
  StateError,
} from "../../mod.ts";
import { BEGIN, issue, sessionTest, turns } from "./session_bed.ts";

const IDS = "select id from notes order by id";

async function codeOf(call: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(call, StateError)).code;
}

sessionTest("leaving await using never commits", async (bed) => {
  const { Session, database } = bed;
  let kept: Session | undefined;
  {
    await using db = Session();
    await issue(db, "insert into notes values (1)");
    kept = db;
  }
  assertEquals(kept.state, "closed");
  const thrown = new Error("of the user");
  const caught = await assertRejects(async () => {
    await using db = Session();
    await issue(db, "insert into notes values (2)");
    throw thrown;
  });
  assert(caught === thrown);
  assertEquals(await database.query(IDS), []);
  assertEquals(await bed.sent(), [
    BEGIN,
    "insert into notes values (1)",
    "rollback",
    BEGIN,
    "insert into notes values (2)",
    "rollback",
  ]);
});

sessionTest(
  "Session.begin(fn) commits or rolls back, and closes",
  async (bed) => {
    const { Session, database } = bed;
    const kept: Session[] = [];
    await Session.begin(async (db) => {
      kept.push(db);
      await issue(db, "insert into notes values (1)");
    });
    const thrown = new Error("of the user");
    const caught = await assertRejects(() =>
      Session.begin(async (db) => {
        kept.push(db);
        await issue(db, "insert into notes values (2)");
        throw thrown;
      })
    );
    assert(caught === thrown);
    assertEquals(kept.map(({ state }) => state), ["closed", "closed"]);
    assertEquals(await database.query(IDS), [{ id: 1 }]);
  },
);

for (const end of ["commit", "rollback"] as const) {
  sessionTest(
    `nothing is behind ${end}() in a begin(fn) block`,
    async (bed) => {
      const { db } = bed;
      await db.begin(async () => {
        await issue(db, "insert into notes values (1)");
        await db[end]();
        assertEquals(db.state, "ended");
        for (
          const call of [
            () => issue(db, "select 1"),
            () => db.begin(),
            () => db.begin(() => Promise.resolve()),
            () => db.beginNested(),
            () => db.transaction(() => Promise.resolve()),
            () => db.commit(),
          ]
        ) assertEquals(await codeOf(call), "TRANSACTION_ENDED");
        await db.rollback();
      });
      assertEquals(db.state, "idle");
      assertEquals(await bed.sent(), [
        BEGIN,
        "insert into notes values (1)",
        end,
      ]);
    },
  );
}

sessionTest("begin(fn) whose COMMIT is refused is over", async (bed) => {
  const { db, database } = bed;
  await database.query(
    "create table twice (id int unique deferrable initially deferred)",
  );
  const error = await assertRejects(
    () => db.begin(() => issue(db, "insert into twice values (1), (1)")),
    IntegrityError,
  );
  assertEquals(error.constraint, "twice_id_key");
  assertEquals(db.state, "idle");
  await db.begin(() => issue(db, "insert into twice values (2)"));
  assertEquals(await database.query("select * from twice"), [{ id: 2 }]);
});

sessionTest(
  "begin() joins reads that ran under the same options",
  async (bed) => {
    const { db } = bed;
    const notes = sql`notes`;
    await db.$count(notes);
    const error = await assertRejects(
      () => db.begin({ isolationLevel: "serializable" }),
      StateError,
      "its reads ran under other options",
    );
    assertEquals(error.code, "TRANSACTION_OPEN");
    for (const options of [{ readOnly: true }, { deferrable: true }]) {
      assertEquals(await codeOf(() => db.begin(options)), "TRANSACTION_OPEN");
    }
    await db.begin({ isolationLevel: "read committed" });
    await db.$count(notes);
    await db.commit();
    assertEquals(await bed.sent(), [
      BEGIN,
      "select count(*) as count from notes;",
      "select count(*) as count from notes;",
      "commit",
    ]);
  },
);

sessionTest("a failed transaction is open and not active", async ({ db }) => {
  assert(db.isActive);
  assertFalse(db.inTransaction);
  await db.begin();
  assert(db.isActive && db.inTransaction);
  await assertRejects(() => issue(db, "no sql"), DatabaseError);
  assertFalse(db.isActive);
  assert(db.inTransaction);
  await db.rollback();
  assert(db.isActive);
  assertFalse(db.inTransaction);
  await db.close();
  assertFalse(db.isActive);
});

sessionTest(
  "Session.begin(fn) takes the transaction's options",
  async (bed) => {
    await bed.Session.begin((db) => issue(db, "select 1 as one"), {
      isolationLevel: "serializable",
      readOnly: true,
    });
    assertEquals(await bed.sent(), [
      "begin isolation level serializable read only",
      "select 1 as one",
      "commit",
    ]);
  },
);

sessionTest(
  "a block that throws beside a running statement waits for it",
  async (bed) => {
    const { Session, database } = bed;
    const thrown = new Error("of the user");
    const siblings: Promise<unknown>[] = [];
    const caught = await assertRejects(() =>
      Session.begin(async (db) => {
        await issue(db, "insert into notes values (1)");
        siblings.push(issue(db, "select pg_sleep(0.05)"));
        await turns(5);
        siblings.push(codeOf(() => issue(db, "insert into notes values (2)")));
        await Promise.all([...siblings, Promise.reject(thrown)]);
      })
    );
    assert(caught === thrown);
    // The one that ran has its answer, the one behind it was never sent.
    const [slept, code] = await Promise.all(siblings);
    assert(slept !== undefined);
    assertEquals(code, "TRANSACTION_ENDED");
    assertEquals(await database.query(IDS), []);
    assertEquals((await bed.sent()).slice(2), [
      "select pg_sleep(0.05)",
      "rollback",
    ]);
  },
);
