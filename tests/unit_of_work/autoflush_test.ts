import { assert, assertEquals } from "@std/assert";
import { count, eq, exists, relations, sql } from "drizzle-orm";
import { integer, pgTable, pgView, serial, text } from "drizzle-orm/pg-core";
import { sessionmaker } from "../../mod.ts";
import { entityTests, inShort } from "./entity_bed.ts";

const authors = pgTable("authors", {
  id: serial().primaryKey(),
  name: text().notNull(),
});
const books = pgTable("books", {
  id: serial().primaryKey(),
  authorId: integer().references(() => authors.id),
  title: text().notNull(),
});
const shelves = pgTable("shelves", { id: serial().primaryKey() });
const titles = pgView("titles", { title: text() }).existing();
const authorRelations = relations(authors, ({ many }) => ({
  books: many(books),
}));
const bookRelations = relations(books, ({ one }) => ({
  author: one(authors, { fields: [books.authorId], references: [authors.id] }),
}));

const test = entityTests("autoflush", {
  setup: [
    "create table authors (id serial primary key, name text not null)",
    'create table books (id serial primary key, "authorId" int references authors, title text not null)',
    "create table shelves (id serial primary key)",
    "create view titles as select title from books",
    "create function count_books() returns int language sql as 'select count(*)::int from books'",
    "insert into authors (name) values ('Ada')",
    "insert into books (title) values ('One')",
  ],
  schema: { authors, books, shelves, authorRelations, bookRelations },
  drivers: ["pglite", "postgres"],
});

test("comes before a read that names a table with changes, and no other", async ({ db, flights }) => {
  const kinds: Record<
    string,
    [query: () => PromiseLike<unknown>, isDue: boolean]
  > = {
    other: [() => db.select().from(authors), false],
    "other by key": [() => db.get(authors, 1), false],
    "other, relational": [() => db.query.shelves.findMany(), false],
    "other, counted": [() => db.$count(authors), false],
    named: [() => db.select().from(books), true],
    "by find()": [() => db.find(books, eq(books.id, 1)), true],
    joined: [
      () => db.select().from(authors).leftJoin(books, eq(books.id, authors.id)),
      true,
    ],
    counted: [() => db.$count(books), true],
    relational: [() => db.query.books.findMany(), true],
    "related to": [
      () => db.query.authors.findMany({ with: { books: true } }),
      true,
    ],
    "in a CTE": [() => {
      const cte = db.$with("some").as(db.select().from(books));
      return db.with(cte).select().from(cte);
    }, true],
    "other, in a CTE": [() => {
      const cte = db.$with("some").as(db.select().from(authors));
      return db.with(cte).select().from(cte);
    }, false],
    "in a CTE of its own name": [() => {
      const cte = db.$with("books").as(db.select().from(books));
      return db.with(cte).select().from(cte);
    }, true],
    "other, in a CTE of its name": [() => {
      const cte = db.$with("books").as(db.select().from(authors));
      return db.with(cte).select().from(cte);
    }, false],
    "behind a CTE of its name": [() => {
      const cte = db.$with("books").as(db.select().from(authors));
      const inner = db.with(cte).select({ id: cte.id }).from(cte).as("inner");
      return db.select().from(inner).innerJoin(books, eq(books.id, inner.id));
    }, true],
    "by a CTE of a view's name": [() => {
      const cte = db.$with("titles").as(db.select().from(titles));
      return db.with(cte).select().from(cte);
    }, true],
    "in a recursive CTE": [() =>
      db.select({ id: sql`"id"` }).from(
        sql`(with recursive "some" as (select "id" from ${books} union select "id" from "some") select "id" from "some") "all"`,
      ), true],
    "other, in a recursive CTE": [() =>
      db.select({ id: sql`"id"` }).from(
        sql`(with recursive "some" as (select "id" from ${authors} union select "id" from "some") select "id" from "some") "all"`,
      ), false],
    "in a subquery": [() =>
      db.select().from(authors).where(
        exists(db.select().from(books)),
      ), true],
    "in a derived table": [() =>
      db.select().from(
        db.select().from(books).as("derived"),
      ), true],
    "by a view": [() => db.select().from(titles), true],
    "by a function": [
      () => db.select({ n: sql`count_books()` }).from(authors),
      true,
    ],
    "a pure function": [
      () =>
        db.select({ n: count(), name: sql`lower(${authors.name})` })
          .from(authors).groupBy(authors.name),
      false,
    ],
    "raw SQL": [() => db.execute("select 1"), true],
    "raw SQL in FROM": [
      () => db.select({ n: sql`1` }).from(sql`books, authors`),
      true,
    ],
    "in a list": [
      () => db.select({ n: sql`1` }).from(sql`${authors}, ${books}`),
      true,
    ],
    "in a list, with an alias": [
      () => db.select({ n: sql`1` }).from(sql`${authors} a, ${books} b`),
      true,
    ],
    "in a list, behind a join": [
      () =>
        db.select({ n: sql`1` }).from(
          sql`${authors} a join (select 1 as "order") o on o.order = a.id, ${books} b`,
        ),
      true,
    ],
    "in a list, behind a subquery": [
      () =>
        db.select({ n: sql`1` }).from(
          sql`(select 1 from ${authors}) a, ${books}`,
        ),
      true,
    ],
    "in parentheses": [
      () =>
        db.select({ n: sql`1` }).from(
          sql`(${books} b cross join ${authors} a)`,
        ),
      true,
    ],
    "behind an escape": [
      () =>
        db.select({
          n: sql`concat(e'\\'x', (select count(*) from ${books}), e'\\'y')`,
        }).from(authors),
      true,
    ],
    "in lists of other things": [
      () =>
        db.select({
          n: sql<number>`count(*) over (partition by a.id, a.name)`,
        }).from(sql`${authors} a`).where(sql`(a.id, a.name) in ((1, 'x'))`)
          .groupBy(sql`a.id, a.name`).orderBy(sql`a.id, a.name`),
      false,
    ],
    insert: [() => db.insert(authors).values({ name: "x" }), true],
    update: [() => db.update(authors).set({ name: "y" }), true],
    "lock": [() => db.select().from(authors).for("update"), false],
    stream: [async () => {
      for await (const _ of db.stream(db.select().from(books)));
    }, true],
    "stream of another": [async () => {
      for await (const _ of db.stream(db.select().from(authors)));
    }, false],
  };
  for (const [name, [query, isDue]] of Object.entries(kinds)) {
    db.add(books, { title: "Two" });
    flights();
    await query();
    const isDone = flights().flat().map(inShort).includes("insert books");
    assertEquals([name, isDone], [name, isDue]);
    await db.rollback();
  }
});

test("compares what the read names", async ({ db, flights }) => {
  const [book] = await db.find(books);
  const [author] = await db.find(authors);
  assert(book && author);
  author.name = "Eve";
  flights();
  await db.select().from(books);
  assertEquals(flights().length, 1);
  const rows = await db.select().from(authors);
  assertEquals(rows, [{ id: 1, name: "Eve" }]);
  const [sent] = flights();
  assertEquals(sent?.map(inShort).slice(0, 2), ["begin", "update authors"]);
  assertEquals(sent?.length, 3);
});

test("can be held off", async ({ db, flights }) => {
  db.add(books, { title: "Two" });
  const found = await db.noAutoflush(async () => {
    await db.select().from(books);
    return await db.find(books);
  });
  assertEquals(found.length, 1);
  assert(!flights().flat().some((text) => text.includes("insert into")));
  assertEquals((await db.find(books)).length, 2);
});

test("commit() flushes, with what a hook has added", async ({ engine, db, rows }) => {
  await db.close();
  const Session = sessionmaker(engine, {
    hooks: {
      beforeCommit: (session) => session.add(shelves, {}),
    },
  });
  await Session.begin((other) => {
    other.add(books, { title: "Two" });
    return Promise.resolve();
  });
  assertEquals(
    await rows(
      "select (select count(*)::int from shelves) as shelves, (select count(*)::int from books) as books",
    ),
    [{ shelves: 1, books: 2 }],
  );
});

test("leaves a failure to the query that made it flush", async ({ db }) => {
  db.add(books, { title: "Two", authorId: 99 });
  const failures = await Promise.allSettled([
    db.select().from(books).then(() => {}),
    db.select().from(authors).then(() => {}),
  ]);
  const [first, second] = failures.map((each) =>
    each.status === "rejected" ? each.reason.code : "fulfilled"
  );
  assertEquals([first, second], ["INTEGRITY_VIOLATION", "TRANSACTION_FAILED"]);
  await db.rollback();
});
