import { assertEquals } from "@std/assert";
import { eq, sql } from "drizzle-orm";
import {
  integer,
  pgTable,
  primaryKey,
  serial,
  text,
} from "drizzle-orm/pg-core";
import { mapTable, ref, type Session } from "../../mod.ts";

const users = pgTable("users", {
  id: serial().primaryKey(),
  name: text().notNull(),
  age: integer(),
});
const seats = pgTable("seats", {
  row: integer(),
  number: integer(),
  userId: integer().notNull().references(() => users.id),
}, (table) => [primaryKey({ columns: [table.row, table.number] })]);

type User = typeof users.$inferSelect;

/** Tells whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends
  (<T>() => T extends B ? 1 : 2) ? "same" : "different";

function same<A, B>(_isSame: Same<A, B>): void {}

/** Checked, never called. */
export async function accepted(db: Session): Promise<void> {
  const user = db.add(users, { name: "x" });
  same<typeof user, User>("same");
  db.add(users, { id: 1, name: "x", age: null });
  db.add(users, { name: sql`upper('x')`, age: ref(user).age });
  db.add(seats, { row: 1, number: 2, userId: ref(user).id });
  const all = db.addAll(users, [{ name: "x" }, { name: "y", age: 3 }]);
  same<typeof all, User[]>("same");
  const got = await db.get(users, 1, { lock: "update" });
  same<typeof got, User | undefined>("same");
  await db.get(seats, { row: 1, number: 2 });
  const found = await db.find(users, eq(users.age, 3), {
    orderBy: users.name,
    limit: 1,
    offset: 2,
    lock: { strength: "share", noWait: true },
  });
  same<typeof found, User[]>("same");
  const tracked = db.track(users, await db.select().from(users));
  same<typeof tracked, User[]>("same");
  const merged = await db.merge(users, { id: 1, name: "x" });
  same<typeof merged, User>("same");
  const rows = await db.enqueue(db.select({ n: users.age }).from(users));
  same<typeof rows, { n: number | null }[]>("same");
  const inner = await db.transaction((tx) =>
    Promise.resolve(tx.add(users, { name: "x" }))
  );
  same<typeof inner, User>("same");
  mapTable(users, { version: users.age, readBack: "generated" });
}

/** Checked, never called: each line would be a mistake. */
export async function refused(db: Session): Promise<void> {
  const user = db.add(users, { name: "x" });
  // @ts-expect-error -- a required column is missing
  db.add(users, { age: 3 });
  // @ts-expect-error -- a column of another type
  db.add(users, { name: 3 });
  // @ts-expect-error -- there is no such column
  db.add(users, { name: "x", nick: "y" });
  // @ts-expect-error -- a reference of another type
  db.add(users, { name: ref(user).id });
  // @ts-expect-error -- a reference that may be NULL
  db.add(seats, { row: 1, number: 1, userId: ref(user).age });
  // @ts-expect-error -- a table is no entity
  db.add(seats, { row: 1, number: 1, userId: ref(users).id });
  // @ts-expect-error -- nor is what was not awaited
  db.add(seats, { row: 1, number: 1, userId: ref(db.get(users, 1)).id });
  // @ts-expect-error -- a list with a row that lacks a column
  db.addAll(users, [{ name: "x" }, { age: 1 }]);
  // @ts-expect-error -- the key is a number
  await db.get(users, "1");
  // @ts-expect-error -- the key has two parts
  await db.get(seats, 1);
  // @ts-expect-error -- no such lock
  await db.find(users, undefined, { lock: "everything" });
  // @ts-expect-error -- rows of another table
  db.track(users, [{ row: 1, number: 2, userId: 3 }]);
  // @ts-expect-error -- columns are not changed to what they cannot hold
  user.name = null;
  // @ts-expect-error -- nor to nothing
  user.age = undefined;
}

Deno.test("the types of entities are those of Drizzle's tables", () => {
  // `deno check` has looked at the functions above.
  assertEquals([typeof accepted, typeof refused], ["function", "function"]);
});
