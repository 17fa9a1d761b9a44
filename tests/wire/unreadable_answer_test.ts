import { types as neonTypes } from "@neondatabase/serverless";
import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { sql } from "drizzle-orm";
import { bigserial, integer, pgTable } from "drizzle-orm/pg-core";
import pg from "pg";
import pgTypes from "pg-types";
import { createEngine, sessionmaker, StateError } from "../../mod.ts";
import type { Driver } from "../../src/driver/driver.ts";
import {
  command,
  type FlightResult,
  type Statement,
} from "../../src/driver/statement.ts";
import { driverBeds } from "../support/drivers.ts";

/** The OID of `bigint`. */
const BIGINT = 20;
/** That of `text`. */
const TEXT = 25;

/** Makes every driver's types refuse a bigint that is no safe integer. */
function strictBigints(): Disposable {
  return parsedBy(BIGINT, (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw new RangeError(`unsafe ${text}`);
    return value;
  });
}

/** Makes every driver's types refuse any text. */
function throwingTexts(): Disposable {
  return parsedBy(TEXT, () => {
    throw new Error("no text");
  });
}

function parsedBy(oid: number, parse: (text: string) => unknown): Disposable {
  const all = [pg.types, neonTypes, pgTypes];
  const before = all.map((types) => types.getTypeParser(oid));
  for (const types of all) types.setTypeParser(oid, parse);
  return {
    [Symbol.dispose]() {
      for (const [at, types] of all.entries()) {
        types.setTypeParser(oid, before[at] ?? String);
      }
    },
  };
}

const things = pgTable("things", {
  id: bigserial({ mode: "number" }).primaryKey(),
  n: integer(),
});

const UNSAFE = "9007199254740993";

/** Writes a row, and returns what no parser takes. */
const WORK: readonly Statement[] = [
  {
    text: `insert into big values (${UNSAFE}) returning id`,
    params: [],
    rowMode: "array",
    access: "write",
  },
  {
    text: "select count(*)::int from big",
    params: [],
    rowMode: "array",
    access: "read",
  },
];

/** Each way in which a driver sends a whole transaction. */
const WAYS: Readonly<
  Record<string, (driver: Driver) => Promise<FlightResult | undefined>>
> = {
  async "a connection"(driver) {
    const connection = await driver.connect();
    try {
      const { results, ...rest } = await connection.send(
        [command("begin"), ...WORK, command("commit")],
      );
      const [begin, ...own] = results;
      assertEquals(begin?.command, "BEGIN");
      assertEquals(own.pop()?.command, "COMMIT");
      // It is in step.
      assert(connection.usable);
      const next = await connection.send(WORK.slice(1));
      assertEquals(next.results[0]?.rows, [[1]]);
      return { results: own, ...rest };
    } finally {
      await connection.close();
    }
  },
  async "a request"(driver) {
    return await driver.sendTransaction?.(WORK, {});
  },
};

for (const [name, makeBed] of Object.entries(driverBeds)) {
  for (const [way, send] of Object.entries(WAYS)) {
    if (way === "a request" && name !== "neon") continue;
    Deno.test(`${name}: a parser that throws hides no commit, over ${way}`, async () => {
      using _strict = strictBigints();
      await using bed = await makeBed();
      const connection = await bed.driver.connect();
      await connection.send([command("create table big (id bigint)")]);
      await connection.close();
      const flight = await send(bed.driver);
      assert(flight !== undefined);
      assertFalse("failure" in flight);
      const [inserted, counted] = flight.results;
      assertEquals([inserted?.command, inserted?.rowCount], ["INSERT", 1]);
      const error = assertThrows(() => inserted?.rows, StateError);
      assertEquals(error.code, "ANSWER_UNREADABLE");
      assert(!Deno.inspect(error).includes(UNSAFE));
      assertEquals(counted?.rows, [[1]]);
    });
  }

  Deno.test(`${name}: a parser that throws fails its statement, and not the transaction`, async () => {
    using _strict = strictBigints();
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    const told: unknown[] = [];
    engine.on("statement", ({ text, error }) => told.push([text, error]));
    await sessionmaker(engine).begin(async (db) => {
      const error = await assertRejects(
        () => db.execute(`select ${UNSAFE}::bigint`).then(() => {}),
        StateError,
      );
      assertEquals(error.code, "ANSWER_UNREADABLE");
      const raw = (await db.connection()).query(`select ${UNSAFE}::int8`);
      await assertRejects(() => raw, StateError);
      const built = db.select({ id: sql`${UNSAFE}::bigint` })
        .from(sql`generate_series(1, 3)`);
      await assertRejects(() => built.execute(), StateError);
      await db.execute("create table kept (id int)");
    });
    assertEquals(told.map((each) => Object(each)[1]), [
      "ANSWER_UNREADABLE",
      "ANSWER_UNREADABLE",
      "ANSWER_UNREADABLE",
      undefined,
    ]);
    await using db = sessionmaker(engine)();
    assertEquals((await db.execute("select * from kept")).rows, []);
  });

  Deno.test(`${name}: a unit of work is committed, though a parser throws at its keys`, async () => {
    using _strict = strictBigints();
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    const errors: unknown[] = [];
    engine.on("listenerError", ({ error }) => errors.push(error));
    const db = sessionmaker(engine)();
    await db.execute("create table things (id bigserial primary key, n int)");
    await db.execute(`alter sequence things_id_seq restart ${UNSAFE}`);
    await db.commit();
    const hooks: string[] = [];
    db.afterCommit(() => void hooks.push("afterCommit"));
    const made = db.addAll(things, [{ n: 1 }, { n: 2 }]);
    await db.commit();
    assertEquals(hooks, ["afterCommit"]);
    assertEquals(errors.map((error) => Object(error).code), [
      "ANSWER_UNREADABLE",
    ]);
    // What the database has made stays unknown.
    for (const each of made) assertThrows(() => each.id, StateError);
    assertEquals([db.state, db.dirty], ["idle", []]);
    const { rows } = await db.execute("select n from things order by n");
    assertEquals(rows, [{ n: 1 }, { n: 2 }]);
    await db.close();
  });

  Deno.test(`${name}: a parser of plain text that throws is no matter of ours`, async () => {
    using _strict = throwingTexts();
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver, {
      transaction: { lostCommit: "xid" },
    });
    await using db = sessionmaker(engine)();
    await db.execute("create table kept (id int)");
    await db.execute("insert into kept values (1)");
    await db.commit();
    assertEquals((await db.execute("select id from kept")).rows, [{ id: 1 }]);
  });
}
