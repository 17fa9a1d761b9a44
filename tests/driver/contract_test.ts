import { assert, assertEquals, assertFalse } from "@std/assert";
import type { Connection } from "../../src/driver/connection.ts";
import { toWireParameter } from "../../src/driver/parameter.ts";
import { command, type Statement } from "../../src/driver/statement.ts";
import { type DriverBed, driverBeds } from "../support/drivers.ts";

/** A parameter; as a literal it would look like a flag. */
const YES = true;

function query(text: string, ...params: unknown[]): Statement {
  return {
    text,
    params: params.map(toWireParameter),
    rowMode: "object",
    access: "write",
  };
}

/** Checks a promise on a connection of a fresh database. */
type Check = (connection: Connection, bed: DriverBed) => Promise<void>;

function contractOf(name: string, makeBed: () => Promise<DriverBed>) {
  return (promise: string, check: Check) =>
    Deno.test(`${name}: ${promise}`, async () => {
      await using bed = await makeBed();
      const connection = await bed.driver.connect();
      try {
        await check(connection, bed);
      } finally {
        await connection.close();
      }
    });
}

/** The same promises, kept by every driver. */
for (const [name, makeBed] of Object.entries(driverBeds)) {
  const contract = contractOf(name, makeBed);

  contract("a flight returns one result per statement", async (connection) => {
    const flight = await connection.send([
      command("begin"),
      query("create table t (id int, name text)"),
      query("insert into t values ($1, $2), ($3, $4)", 1, "a", 2, null),
      query("select * from t order by id"),
      { ...query("select id, name from t order by id"), rowMode: "array" },
      query("update t set name = 'x' where id > $1", 5),
      command("commit"),
    ]);
    assertEquals(flight.failure, undefined);
    assertEquals(
      flight.results.map(({ command, rowCount }) => [command, rowCount]),
      [
        ["BEGIN", null],
        ["CREATE", null],
        ["INSERT", 2],
        ["SELECT", 2],
        ["SELECT", 2],
        ["UPDATE", 0],
        ["COMMIT", null],
      ],
    );
    assertEquals(flight.results[3]?.rows, [
      { id: 1, name: "a" },
      { id: 2, name: null },
    ]);
    assertEquals(flight.results[4]?.rows, [[1, "a"], [2, null]]);
    assertEquals(
      flight.results[3]?.fields.map((field) => [field.name, field.dataTypeID]),
      [["id", 23], ["name", 25]],
    );
  });

  contract(
    "a failing statement keeps the results before it and skips the rest",
    async (connection) => {
      const flight = await connection.send([
        query("select 1 as one"),
        query("select 1 / $1::int", 0),
        query("create table never (id int)"),
      ]);
      assertEquals(flight.results.length, 1);
      assert(flight.failure instanceof Error);
      assertEquals(Reflect.get(flight.failure, "code"), "22012");
      assert(connection.usable);
      const after = await connection.send([
        query("select to_regclass('never')::text as t"),
      ]);
      assertEquals(after.results[0]?.rows, [{ t: null }]);
    },
  );

  contract("values come as Drizzle expects them", async (connection) => {
    const { results } = await connection.send([
      query(`select true as b, 1::int2 as i2, 2 as i4, 3::int8 as i8,
        1.5::float8 as f8, 12.30::numeric as n, 'x'::text as t,
        '{"a":[1]}'::jsonb as j, '\\x00ff'::bytea as bytes,
        '{1,2}'::int[] as ints, '{1.5}'::numeric[] as numerics,
        '2020-01-02'::date as d, '2020-01-02 03:04:05.123456'::timestamp as ts,
        '2020-01-02 03:04:05.123456+00'::timestamptz at time zone 'UTC' as tz,
        '1 day 02:03:04'::interval as iv, '{2020-01-02}'::date[] as ds,
        null::int as nothing`),
    ]);
    const row = results[0]?.rows[0];
    assert(typeof row === "object" && row !== null);
    const { bytes, ...rest } = row as Record<string, unknown>;
    assert(bytes instanceof Uint8Array);
    assertEquals([...bytes], [0, 255]);
    assertEquals(rest, {
      b: true,
      i2: 1,
      i4: 2,
      i8: "3",
      f8: 1.5,
      n: "12.30",
      t: "x",
      j: { a: [1] },
      ints: [1, 2],
      numerics: "{1.5}",
      d: "2020-01-02",
      ts: "2020-01-02 03:04:05.123456",
      tz: "2020-01-02 03:04:05.123456",
      iv: "1 day 02:03:04",
      ds: "{2020-01-02}",
      nothing: null,
    });
  });

  contract("parameters of every kind arrive", async (connection) => {
    const { results, failure } = await connection.send([
      query(
        `select $1::bool as b, $2::int8::text as big, $3::jsonb as j,
          $4::text[] as list, encode($5::bytea, 'hex') as bytes,
          ($6::timestamptz at time zone 'UTC')::text as at, $7::int as nothing,
          $8::text as text, $9::jsonb ->> 'q' as quoted`,
        YES,
        9007199254740993n,
        { a: [1, null] },
        ["a,b", 'q"\\', null, ""],
        new Uint8Array([1, 254]),
        new Date("2020-01-02T03:04:05.678Z"),
        undefined,
        "ünï → 💾",
        { q: "'\"\\" },
      ),
    ]);
    assertEquals(failure, undefined);
    assertEquals(results[0]?.rows, [{
      b: true,
      big: "9007199254740993",
      j: { a: [1, null] },
      list: ["a,b", 'q"\\', null, ""],
      bytes: "01fe",
      at: "2020-01-02 03:04:05.678",
      nothing: null,
      text: "ünï → 💾",
      quoted: "'\"\\",
    }]);
  });

  contract("half a surrogate pair is made whole", async (connection) => {
    for (const half of ["é\udc00x", "é\ud800x", "é\ud800", "\udc00"]) {
      const { results, failure } = await connection.send([
        query("select $1::text as a, $2::text as b", half, "second"),
        query("select ($1::text[])[1] as a", [half]),
        query(`select '${half}' as a, $1::text as b`, "second"),
      ]);
      assertEquals(failure, undefined);
      const whole = half.toWellFormed();
      assertEquals(results.map(({ rows }) => rows), [
        [{ a: whole, b: "second" }],
        [{ a: whole }],
        [{ a: whole, b: "second" }],
      ]);
    }
    assert(connection.usable);
    const after = await connection.send([query("select 2 as two")]);
    assertEquals(after.results[0]?.rows, [{ two: 2 }]);
  });

  contract(
    "ten thousand rows and a megabyte come whole",
    async (connection) => {
      const { results } = await connection.send([
        query("select n from generate_series(1, 10000) n"),
        query("select $1::text as big", "x".repeat(1_000_000)),
      ]);
      assertEquals(results[0]?.rows.length, 10_000);
      assertEquals(results[0]?.rows.at(-1), { n: 10_000 });
      assertEquals(results[1]?.rows, [{ big: "x".repeat(1_000_000) }]);
    },
  );

  contract("an empty statement has no rows", async (connection) => {
    const { results } = await connection.send([query(""), query("select 1")]);
    assertEquals(results.map(({ rows }) => rows.length), [0, 1]);
  });

  contract("COPY FROM STDIN is refused, not hung", async (connection) => {
    await connection.send([query("create table c (id int)")]);
    for (
      const lead of ["", "-- a\n/* b */", "-- a\r\n", "/* a /* b */ c */", ";"]
    ) {
      const flight = await connection.send([
        query("select 1"),
        query(`${lead} copy c from stdin`),
        query("select 1"),
      ]);
      assertEquals(flight.results.length, 1);
      assert(flight.failure instanceof Error);
      assert(flight.failure.message.includes("COPY FROM STDIN"));
    }
    const after = await connection.send([query("select 2 as two")]);
    assertEquals(after.results[0]?.rows, [{ two: 2 }]);
  });

  if (name !== "pglite") {
    contract(
      "a COPY that was missed drops the connection",
      async (connection) => {
        const looks = ["select 1"];
        const missed = {
          ...query(""),
          get text() {
            return looks.pop() ?? "copy c from stdin";
          },
        };
        const flight = await connection.send([
          query("create table c (id int)"),
          missed,
          query("select 1"),
        ]);
        assert("failure" in flight);
        assertFalse(connection.usable);
      },
    );
  }

  contract("COPY TO STDOUT has no rows", async (connection) => {
    const { results } = await connection.send([
      query("copy (select n from generate_series(1, 3) n) to stdout"),
      query("select 2 as two"),
    ]);
    assertEquals(results.map(({ rows }) => rows), [[], [{ two: 2 }]]);
    assertEquals([results[0]?.command, results[0]?.rowCount], ["COPY", 3]);
  });

  contract("a column may be called __proto__", async (connection) => {
    const { results } = await connection.send([
      query(`select 1 as "__proto__", 2 as b`),
    ]);
    assertEquals(Object.entries(results[0]?.rows[0] ?? {}), [
      ["__proto__", 1],
      ["b", 2],
    ]);
  });

  contract("a closed connection answers with a failure", async (connection) => {
    await connection.close();
    assertFalse(connection.usable);
    const flight = await connection.send([query("select 1")]);
    assertEquals(flight.results, []);
    assert("failure" in flight);
  });

  contract("closing rolls back what is open", async (connection, bed) => {
    await connection.send([query("create table kept (id int)")]);
    await connection.send([
      command("begin"),
      query("insert into kept values (1)"),
    ]);
    await connection.close();
    const other = await bed.driver.connect();
    const { results } = await other.send([query("select * from kept")]);
    await other.close();
    assertEquals(results[0]?.rows, []);
    if (bed.database) {
      await bed.database.waitFor(async () =>
        await bed.database?.connections() === 0
      );
    }
  });

  if (name !== "pglite") {
    contract("closing cancels what runs", async (connection, bed) => {
      const { database } = bed;
      assert(database !== undefined);
      const asleep = async () =>
        (await database.query(
          "select 1 from pg_stat_activity where wait_event = 'PgSleep'",
        )).length;
      const flight = connection.send([query("select pg_sleep(60)")]);
      await database.waitFor(async () => await asleep() === 1);
      await connection.close();
      assert("failure" in await flight);
      await database.waitFor(async () => await asleep() === 0);
    });
  }

  contract("describe() names no user and no password", async (_, bed) => {
    await Promise.resolve();
    const text = bed.driver.describe();
    assertFalse(text.includes("nullpool:"), text);
    if (bed.database) assert(text.includes(bed.database.name), text);
  });
}
