import { assert, assertEquals } from "@std/assert";
import {
  createEngine,
  NullPool,
  type Session,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { issue, sessionTest, turns } from "./session_bed.ts";

/** What became of a write: done, or why not. */
async function outcome(write: PromiseLike<unknown>): Promise<string> {
  try {
    await write;
    return "acknowledged";
  } catch (error) {
    return error instanceof StateError ? error.code : "failed";
  }
}

/** Anything that runs SQL. */
interface Executor {
  execute(text: string): PromiseLike<unknown>;
}

function insert(db: Executor, id: number): Promise<string> {
  return outcome(db.execute(`insert into notes values (${id})`));
}

/** The rows that are there must be those that were acknowledged. */
const ROWS = "select id from notes order by id";

sessionTest(
  "misuse M1: a write beside a transaction that rolls back",
  async (bed) => {
    const { db, database } = bed;
    for (let moment = 0; moment < 12; moment++) {
      const block = outcome(db.transaction(async (tx) => {
        await insert(tx, 1);
        throw new Error("the transaction fails");
      }));
      await turns(moment);
      const beside = insert(db, 2);
      assertEquals([await block, await beside], [
        "failed",
        "NESTED_BLOCK_OPEN",
      ]);
      await db.rollback();
      assertEquals(await database.query(ROWS), []);
    }
  },
);

sessionTest(
  "misuse M2: two blocks at once, the first one fails",
  async (bed) => {
    const { db, database } = bed;
    await db.begin();
    const first = outcome(db.transaction(async (tx) => {
      await insert(tx, 1);
      await insert(tx, 2);
      throw new Error("the first fails");
    }));
    const second = outcome(db.transaction(async (tx) => {
      await insert(tx, 3);
      await insert(tx, 4);
    }));
    assertEquals([await first, await second], ["failed", "NESTED_BLOCK_OPEN"]);
    await db.commit();
    assertEquals(await database.query(ROWS), []);
  },
);

sessionTest(
  "misuse M2b: the second block ends inside the first",
  async (bed) => {
    const { db, database } = bed;
    await db.begin();
    let second: string | undefined;
    const first = outcome(db.transaction(async (tx) => {
      await insert(tx, 1);
      second = await outcome(db.transaction((inner) => insert(inner, 2)));
      // What was meant: a block inside the block.
      assertEquals(
        await outcome(tx.transaction((inner) => insert(inner, 3))),
        "acknowledged",
      );
      throw new Error("the first fails");
    }));
    assertEquals([await first, second], ["failed", "NESTED_BLOCK_OPEN"]);
    await db.commit();
    assertEquals(await database.query(ROWS), []);
  },
);

sessionTest(
  "misuse M3: a late write through a finished handle",
  async (bed) => {
    const { Session, database } = bed;
    const kept: Executor[] = [];
    await Session.begin(async (db) => {
      kept.push(db);
      await db.transaction(async (tx) => {
        kept.push(tx);
        await insert(tx, 1);
      });
      const connection = await db.connection();
      kept.push(
        { execute: () => connection.query("delete from notes") } as never,
      );
    });
    const outcomes = [];
    for (const handle of kept) outcomes.push(await insert(handle, 2));
    assertEquals(outcomes, [
      "SESSION_CLOSED",
      "SESSION_CLOSED",
      "TRANSACTION_ENDED",
    ]);
    assertEquals(await database.query(ROWS), [{ id: 1 }]);
  },
);

Deno.test("Session misuse M4: a late write while another task has the connection", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new NullPool(driver, { maxOpen: 1 }),
  });
  const Session = sessionmaker(engine);
  let kept: Executor | undefined;
  await Session.begin((db) =>
    db.transaction(async (tx) => {
      kept = tx;
      await insert(tx, 1);
    })
  );
  await Session.begin(async (db) => {
    await insert(db, 2);
    assert(kept);
    assertEquals(await insert(kept, 3), "SESSION_CLOSED");
  });
  assertEquals(await database.query(ROWS), [{ id: 1 }, { id: 2 }]);
});

/** Every way to begin a transaction, by a handler that then throws. */
const BEGINNINGS: Readonly<Record<string, (db: Session) => Promise<void>>> = {
  "by a statement": async (db) => {
    await issue(db, "insert into notes values (1)");
  },
  "by begin()": async (db) => {
    await db.begin();
    await issue(db, "insert into notes values (1)");
  },
  "by begin(fn)": (db) =>
    db.begin(async () => {
      await issue(db, "insert into notes values (1)");
      throw new Error("the handler fails");
    }),
  "by transaction(fn)": (db) =>
    db.transaction(async (tx) => {
      await insert(tx, 1);
      throw new Error("the handler fails");
    }),
  "by beginNested()": async (db) => {
    await db.beginNested();
    await issue(db, "insert into notes values (1)");
  },
  "by SQL": async (db) => {
    await issue(db, "begin");
    await issue(db, "insert into notes values (1)");
  },
};

for (const [name, begin] of Object.entries(BEGINNINGS)) {
  sessionTest(
    `misuse: twenty throwing handlers, begun ${name}, leave nothing`,
    async (bed) => {
      const { Session, engine, database } = bed;
      async function handler(): Promise<void> {
        await using db = Session();
        await begin(db);
        throw new Error("the handler fails");
      }
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, handler),
      );
      assert(outcomes.every(({ status }) => status === "rejected"));
      await engine.idle();
      await database.waitFor(async () => await database.connections() === 0);
      assertEquals(await database.query(ROWS), []);
    },
  );
}

sessionTest(
  "statements issued together keep their order and results",
  async (bed) => {
    const { db, database } = bed;
    const answers = await Promise.all(
      Array.from(
        { length: 200 },
        (_, id) =>
          db.execute(`insert into notes values (${id}) returning id`)
            .then(({ rows }) => rows[0]?.id),
      ),
    );
    assertEquals(answers, Array.from({ length: 200 }, (_, id) => id));
    await db.commit();
    const inserts = (await database.log()).filter((text) =>
      text.startsWith("insert")
    );
    assertEquals(
      inserts.map((text) => Number(/\d+/.exec(text)?.[0])),
      answers,
    );
  },
);

sessionTest(
  "Promise.all with a failure can always be cleaned up",
  async (bed) => {
    const { db, database } = bed;
    for (let failing = 0; failing < 5; failing++) {
      const all = Promise.all(
        Array.from({ length: 5 }, (_, at) =>
          issue(
            db,
            at === failing ? "no sql" : `insert into notes values (${at})`,
          )),
      );
      const error = await all.then(() => undefined, (reason) => reason);
      // The first error is the one that arrives, not one that follows from it.
      assertEquals(error.sqlstate, "42601");
      await db.rollback();
      assertEquals(db.state, "idle");
    }
    await issue(db, "insert into notes values (9)");
    await db.commit();
    assertEquals(await database.query(ROWS), [{ id: 9 }]);
  },
);
