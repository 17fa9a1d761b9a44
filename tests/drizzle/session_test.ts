import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import {
  and,
  asc,
  eq,
  gt,
  relations,
  sql,
  TransactionRollbackError,
} from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  date,
  doublePrecision,
  integer,
  interval,
  jsonb,
  numeric,
  type PgDatabase,
  pgEnum,
  pgMaterializedView,
  type PgQueryResultHKT,
  pgTable,
  serial,
  text,
  time,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import {
  createEngine,
  type Session,
  sessionmaker,
  type SessionmakerOptions,
} from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { driverBeds } from "../support/drivers.ts";

/** A default; as a literal it would look like a flag. */
const NO = false;

const mood = pgEnum("mood", ["sad", "ok", "happy"]);
const users = pgTable("users", {
  id: serial().primaryKey(),
  name: text().notNull(),
  verified: boolean().notNull().default(NO),
  mood: mood(),
});
const posts = pgTable("posts", {
  id: serial().primaryKey(),
  authorId: integer("author_id").notNull().references(() => users.id),
  title: text().notNull(),
  tags: text().array(),
});
const usersRelations = relations(users, ({ many }) => ({ posts: many(posts) }));
const postsRelations = relations(posts, ({ one }) => ({
  author: one(users, { fields: [posts.authorId], references: [users.id] }),
}));
const titles = pgMaterializedView("titles").as((qb) =>
  qb.select({ title: posts.title }).from(posts)
);
const schema = { users, posts, usersRelations, postsRelations };
type Schema = typeof schema;

const TABLES = [
  "create type mood as enum ('sad', 'ok', 'happy')",
  `create table users (id serial primary key, name text not null,
    verified boolean not null default false, mood mood)`,
  `create table posts (id serial primary key, author_id int not null
    references users, title text not null, tags text[])`,
  "create materialized view titles as select title from posts",
];

for (const [driver, makeBed] of Object.entries(driverBeds)) {
  Deno.test(`Session is a Drizzle database over ${driver}`, async (t) => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);

    /** Runs a step in a transaction that nobody else sees. */
    function step(
      name: string,
      run: (db: Session<Schema>) => Promise<void>,
      options: SessionmakerOptions<Schema> = {},
    ): Promise<boolean> {
      return t.step(name, async () => {
        const Session = sessionmaker(engine, { schema, ...options });
        await using db = Session();
        for (const table of TABLES) await db.execute(table);
        await run(db);
      });
    }

    await step("insert, update, delete, returning", async (db) => {
      const inserted = await db.insert(users)
        .values([{ name: "Ada", mood: "happy" }, { name: "Bob" }])
        .returning();
      assertEquals(inserted, [
        { id: 1, name: "Ada", verified: false, mood: "happy" },
        { id: 2, name: "Bob", verified: false, mood: null },
      ]);
      const updated = await db.update(users).set({ verified: true })
        .where(eq(users.name, "Ada")).returning({ id: users.id });
      assertEquals(updated, [{ id: 1 }]);
      const raw = await db.delete(users).where(gt(users.id, 0));
      assertEquals([raw.command, raw.rowCount, raw.rows], ["DELETE", 2, []]);
      const upserted = await db.insert(users).values({ id: 1, name: "Eve" })
        .onConflictDoUpdate({ target: users.id, set: { name: "Eve" } })
        .returning({ name: users.name });
      assertEquals(upserted, [{ name: "Eve" }]);
    });

    await step("joins, subqueries, CTEs, set operations", async (db) => {
      await db.insert(users).values([{ name: "Ada" }, { name: "Bob" }]);
      await db.insert(posts).values([
        { authorId: 1, title: "one", tags: ["a", "b,c"] },
        { authorId: 1, title: "two" },
      ]);
      const rows = await db.select().from(users)
        .leftJoin(posts, eq(posts.authorId, users.id))
        .orderBy(asc(users.id), asc(posts.id));
      assertEquals(
        rows.map(({ users, posts }) => [users.name, posts?.title ?? null]),
        [["Ada", "one"], ["Ada", "two"], ["Bob", null]],
      );
      assertEquals(rows[2]?.posts, null);
      assertEquals(rows[0]?.posts?.tags, ["a", "b,c"]);
      const prolific = db.$with("prolific").as(
        db.select({
          authorId: posts.authorId,
          n: sql<number>`count(*)::int`.as("n"),
        })
          .from(posts).groupBy(posts.authorId),
      );
      assertEquals(
        await db.with(prolific).select({ name: users.name, n: prolific.n })
          .from(users).innerJoin(prolific, eq(prolific.authorId, users.id)),
        [{ name: "Ada", n: 2 }],
      );
      assertEquals(
        await db.selectDistinct({ id: posts.authorId }).from(posts),
        [{ id: 1 }],
      );
      const both = await db.select({ text: users.name }).from(users)
        .union(db.select({ text: posts.title }).from(posts));
      assertEquals(both.length, 4);
    });

    await step("relational queries", async (db) => {
      await db.insert(users).values([{ name: "Ada" }, { name: "Bob" }]);
      await db.insert(posts).values({ authorId: 2, title: "only" });
      assertEquals(
        await db.query.users.findMany({
          columns: { name: true },
          with: { posts: { with: { author: { columns: { id: true } } } } },
          orderBy: users.id,
        }),
        [
          { name: "Ada", posts: [] },
          {
            name: "Bob",
            posts: [{
              id: 1,
              authorId: 2,
              title: "only",
              tags: null,
              author: { id: 2 },
            }],
          },
        ],
      );
      assertEquals(
        await db.query.users.findFirst({ where: eq(users.id, 99) }),
        undefined,
      );
    });

    await step("$count, alone and inside a select", async (db) => {
      await db.insert(users).values([{ name: "Ada" }, { name: "Bob" }]);
      assertEquals(await db.$count(users), 2);
      assertEquals(await db.$count(users, eq(users.name, "Ada")), 1);
      assertEquals(
        await db.select({ n: db.$count(users) }).from(users).limit(1),
        [{ n: 2 }],
      );
    });

    await step(
      "execute() gives rows, rowCount, fields, command",
      async (db) => {
        const result = await db.execute<{ n: number; t: string }>(
          sql`select ${7}::int as n, ${"x"}::text as t`,
        );
        assertEquals(result.rows, [{ n: 7, t: "x" }]);
        assertEquals(result.rowCount, 1);
        assertEquals(result.command, "SELECT");
        assertEquals(result.fields.map((field) => field.name), ["n", "t"]);
      },
    );

    await step("prepared queries run many times", async (db) => {
      const insert = db.insert(users).values({ name: sql.placeholder("name") })
        .returning({ id: users.id }).prepare("insert_user");
      assertEquals(await insert.execute({ name: "Ada" }), [{ id: 1 }]);
      assertEquals(await insert.execute({ name: "Bob" }), [{ id: 2 }]);
      const byName = db.select().from(users)
        .where(and(eq(users.name, sql.placeholder("name")), gt(users.id, 0)))
        .prepare("by_name");
      assertEquals((await byName.execute({ name: "Bob" })).length, 1);
      const first = db.query.users.findFirst({
        where: eq(users.id, sql.placeholder("id")),
      }).prepare("first");
      assertEquals((await first.execute({ id: 1 }))?.name, "Ada");
    });

    await step("refreshMaterializedView", async (db) => {
      await db.insert(users).values({ name: "Ada" });
      await db.insert(posts).values({ authorId: 1, title: "seen" });
      assertEquals(await db.select().from(titles), []);
      await db.refreshMaterializedView(titles);
      assertEquals(await db.select().from(titles), [{ title: "seen" }]);
      await db.refreshMaterializedView(titles).withNoData();
    });

    const logged: [string, unknown[]][] = [];
    await step("logger hears text and parameters", async (db) => {
      logged.length = 0;
      await db.select().from(users).where(eq(users.name, "Ada"));
      assertEquals(logged, [[
        'select "id", "name", "verified", "mood" from "users" where "users"."name" = $1',
        ["Ada"],
      ]]);
    }, { logger: { logQuery: (text, params) => logged.push([text, params]) } });

    await step("casing maps keys to names", async (db) => {
      const accounts = pgTable("accounts", {
        id: serial().primaryKey(),
        firstName: text(),
        createdAt: timestamp(),
      });
      await db.execute(
        "create table accounts (id serial, first_name text, created_at timestamp)",
      );
      await db.insert(accounts).values({ firstName: "Ada" });
      assertEquals(
        await db.select({ firstName: accounts.firstName }).from(accounts),
        [{ firstName: "Ada" }],
      );
    }, { casing: "snake_case" });

    await step("column types survive the round trip", async (db) => {
      const bytea = customType<{ data: Uint8Array }>({
        dataType: () => "bytea",
      });
      const everything = pgTable("everything", {
        big: bigint({ mode: "bigint" }),
        bytes: bytea(),
        day: date({ mode: "date" }),
        dayText: date("day_text"),
        double: doublePrecision(),
        json: jsonb(),
        money: numeric({ precision: 10, scale: 2 }),
        span: interval(),
        stamp: timestamp({ withTimezone: true }),
        stampText: timestamp("stamp_text", { mode: "string", precision: 6 }),
        clock: time(),
        unique: uuid(),
        numbers: integer().array(),
        moods: mood().array(),
        nested: text().array().array(),
      });
      await db.execute(`create table everything (big bigint, bytes bytea,
        day date, day_text date, double float8, json jsonb,
        money numeric(10, 2), span interval, stamp timestamptz,
        stamp_text timestamp(6), clock time, "unique" uuid, numbers int[],
        moods mood[], nested text[][])`);
      const row = {
        big: 9007199254740993n,
        bytes: new Uint8Array([0, 1, 255]),
        day: new Date("2020-02-29"),
        dayText: "1999-12-31",
        double: 0.1,
        json: { a: [1, null, "ü"], b: { c: true } },
        money: "12.30",
        span: "1 day 02:03:04",
        stamp: new Date("2020-01-02T03:04:05.678Z"),
        stampText: "2020-01-02 03:04:05.678901",
        clock: "03:04:05",
        unique: "0b2f1a52-6f0e-4a53-9a3e-111111111111",
        numbers: [1, 2, 3],
        moods: ["sad" as const, "happy" as const],
        nested: [["a", "b"], ["c,d", 'e"f']],
      };
      await db.insert(everything).values(row);
      const [back] = await db.select().from(everything);
      assert(back);
      const { bytes, ...rest } = back;
      const { bytes: sent, ...expected } = row;
      assertEquals(rest, expected);
      assertEquals([...bytes ?? []], [...sent]);
      const [{ nothing } = {}] = await db.select({ nothing: everything.json })
        .from(everything).where(eq(everything.double, 5));
      assertEquals(nothing, undefined);
    });

    await step("is accepted wherever a Drizzle database is", async (db) => {
      async function addUser<H extends PgQueryResultHKT>(
        // deno-lint-ignore no-explicit-any -- as libraries declare it
        database: PgDatabase<H, any, any>,
      ): Promise<void> {
        await database.insert(users).values({ name: "from a library" });
      }
      await addUser(db);
      await db.transaction((tx) => addUser(tx));
      assertEquals(await db.$count(users), 2);
    });

    await step("transaction() rolls back by tx.rollback()", async (db) => {
      const error = await assertRejects(() =>
        db.transaction(async (tx) => {
          await tx.insert(users).values({ name: "undone" });
          tx.rollback();
        })
      );
      assertInstanceOf(error, TransactionRollbackError);
      assertEquals(await db.$count(users), 0);
      await db.transaction(async (tx) => {
        assertEquals(await tx.query.users.findMany(), []);
        assertEquals(await tx.$count(users), 0);
      });
    });
  });
}

Deno.test("sessionmaker derives what its sessions share once", () => {
  const Session = sessionmaker(createEngine(recordingDriver()), { schema });
  const [one, two] = [Session(), Session()];
  assert(one._.schema === two._.schema);
  assert(one._.tableNamesMap === two._.tableNamesMap);
  assert(one.query === one.query, "built once per session");
  assert(one.query !== two.query, "each runs on its own session");
});
