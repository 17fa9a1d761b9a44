import {
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  createEngine,
  DatabaseError,
  IntegrityError,
  migrate,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { driverBeds } from "../support/drivers.ts";
import { testDatabase } from "../support/postgres.ts";

/** Writes a folder as drizzle-kit does; each entry is a migration's SQL. */
async function migrationsFolder(
  files: readonly string[],
  whens: readonly number[] = files.keys().toArray(),
): Promise<string> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/meta`);
  const entries = files.map((_, idx) => ({
    idx,
    version: "7",
    when: 1_700_000_000_000 + (whens[idx] ?? 0),
    tag: `000${idx}_step`,
    breakpoints: true,
  }));
  await Deno.writeTextFile(
    `${folder}/meta/_journal.json`,
    JSON.stringify({ version: "7", dialect: "postgresql", entries }),
  );
  for (const [idx, text] of files.entries()) {
    await Deno.writeTextFile(`${folder}/000${idx}_step.sql`, text);
  }
  return folder;
}

const FIRST = `create table a (id int);
--> statement-breakpoint
insert into a values (1);`;

for (const [name, makeBed] of Object.entries(driverBeds)) {
  Deno.test(`migrate() over ${name}`, async () => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    const one = await migrationsFolder([FIRST]);
    const two = await migrationsFolder([FIRST, "insert into a values (2);"]);
    const bad = await migrationsFolder([FIRST, "", "insert into b values (3)"]);
    try {
      // As when several instances start at once.
      await Promise.all([1, 2, 3].map(() => migrate(engine, one)));
      await migrate(engine, two);
      await migrate(engine, two);
      const error = await assertRejects(
        () => migrate(engine, bad),
        DatabaseError,
      );
      assertEquals(error.sqlstate, "42P01");
      assertEquals(
        error.message,
        'Cannot migrate: statement 1 of entry 2 of meta/_journal.json failed: SQLSTATE 42P01: relation "b" does not exist',
      );
      const connection = await engine.connect();
      const { results } = await connection.send([
        {
          text: "select id from a order by id",
          params: [],
          rowMode: "array",
          access: "read",
        },
        {
          text: "select count(*)::int from drizzle.__drizzle_migrations",
          params: [],
          rowMode: "array",
          access: "read",
        },
      ]);
      await connection.release({ discard: false });
      assertEquals(results.map(({ rows }) => rows), [[[1], [2]], [[2]]]);
    } finally {
      for (const folder of [one, two, bad]) {
        await Deno.remove(folder, { recursive: true });
      }
    }
  });
}

Deno.test("migrate() two at once see each other's work whatever is the default", async () => {
  await using database = await testDatabase({
    setup: "create table gate (id int)",
  });
  await using engine = createEngine(postgres(database.url), {
    transaction: {
      isolationLevel: "repeatable read",
      readOnly: true,
      statementTimeout: 1,
      transactionTimeout: 1,
    },
  });
  const folder = await migrationsFolder([FIRST, "insert into gate values (1)"]);
  try {
    await database.query("begin");
    await database.query("lock table gate");
    const both = Promise.all([
      migrate(engine, folder),
      migrate(engine, folder),
    ]);
    // One waits for the table, and the other one for it.
    await Promise.race([
      both,
      database.waitFor(async () => {
        const rows = await database.query(
          `select from pg_locks join pg_database on pg_database.oid = database
            where datname = current_database() and not granted`,
        );
        return rows.length === 2;
      }),
    ]);
    await database.query("commit");
    await both;
    assertEquals(await database.query("select id from gate"), [{ id: 1 }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("migrate() names the migration that fails, and none of its values", async () => {
  await using database = await testDatabase({
    setup: "create schema taken; create table taken.record (a int)",
  });
  await using engine = createEngine(postgres(database.url));
  const folder = await migrationsFolder([
    `create table a (id int primary key, name text);
--> statement-breakpoint
insert into a values (1, 'secret');
--> statement-breakpoint
insert into a values (1, 'secret');`,
  ]);
  try {
    const error = await assertRejects(
      () => migrate(engine, folder),
      IntegrityError,
    );
    assertEquals(
      [error.code, error.sqlstate, error.table, error.constraint],
      ["INTEGRITY_VIOLATION", "23505", "a", "a_pkey"],
    );
    assertStringIncludes(
      error.message,
      "3 of entry 0 of meta/_journal.json failed: 23505",
    );
    assertFalse(Deno.inspect(error).includes("secret"));
    // What fails ahead of all of them is none of theirs.
    const record = { migrationsSchema: "taken", migrationsTable: "record" };
    const other = await assertRejects(
      () => migrate(engine, folder, record),
      DatabaseError,
    );
    assertFalse(other.message.includes("entry"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("migrate() names a folder without migrations", async () => {
  const engine = createEngine({
    name: "none",
    describe: () => "nothing",
    connect: () => Promise.reject(new Error("never asked")),
  });
  await assertRejects(
    () => migrate(engine, "/no/such/folder"),
    TypeError,
    '"/no/such/folder"',
  );
});

Deno.test("migrate() refuses what would be passed over", async () => {
  await using database = await testDatabase({});
  await using engine = createEngine(postgres(database.url));
  const second = "create table b (id int)";
  const third = "create table c (id int)";
  const ours = await migrationsFolder([FIRST, third], [0, 4]);
  const merged = await migrationsFolder([FIRST, second, third], [0, 2, 4]);
  const copied = await migrationsFolder([FIRST, third, second], [0, 4, 4]);
  const moved = await migrationsFolder([FIRST, third, second], [0, 3, 6]);
  const squashed = await migrationsFolder([second, "select 1"], [-1, 8]);
  try {
    await migrate(engine, ours);
    const error = await assertRejects(() => migrate(engine, merged), TypeError);
    assertStringIncludes(error.message, "entry 1 of");
    const same = await assertRejects(() => migrate(engine, copied), TypeError);
    assertStringIncludes(same.message, "entry 2 of");
    // One is known by its text, too, and what is older than the record is not.
    await migrate(engine, moved);
    await migrate(engine, squashed);
    assertEquals(await database.query("select * from b"), []);
    const count = "select count(*)::int as n from drizzle.__drizzle_migrations";
    assertEquals(await database.query(count), [{ n: 4 }]);
  } finally {
    for (const folder of [ours, merged, copied, moved, squashed]) {
      await Deno.remove(folder, { recursive: true });
    }
  }
});

Deno.test("migrate() says what its folder lacks", async () => {
  await using engine = createEngine(recordingDriver());
  const folder = await migrationsFolder([FIRST, ""]);
  try {
    await Deno.remove(`${folder}/0001_step.sql`);
    for (
      const [path, lack] of [
        [`${folder}/meta`, "meta/_journal.json"],
        [folder, "0001_step.sql"],
      ] as const
    ) {
      const { message } = await assertRejects(
        () => migrate(engine, path),
        TypeError,
      );
      assertStringIncludes(message, `Cannot migrate from "${path}": `);
      assertStringIncludes(message, lack);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
