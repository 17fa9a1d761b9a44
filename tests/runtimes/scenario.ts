import { asc, like } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Driver,
  IntegrityError,
  NullpoolError,
  ref,
  type Session,
  type Sessionmaker,
  sessionmaker,
} from "@nullpool/db";
import { type ScopedSession, scopedSession } from "@nullpool/db/scoped";

const authors = pgTable("authors", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
});
const books = pgTable("books", {
  id: integer().generatedAlwaysAsIdentity().primaryKey(),
  author: integer().notNull().references(() => authors.id),
  title: text().notNull(),
});
const schema = { authors, books };
type Schema = typeof schema;

/** How many tasks run at once. */
const TASKS = 4;

/** Has the test look at the server, now. */
type Look = (moment: string) => Promise<void>;

/**
 * What every runtime does, driver by driver: reads, a unit of work, errors,
 * tasks at once. It uses nothing but what all of them have.
 *
 * The test is asked to look at the server while sessions are open, and again
 * when they have closed and nothing else has: a runtime that leaves a
 * connection behind is seen, which its end would hide.
 *
 * @param drivers The drivers by name.
 * @param report The test's URL: asked at each moment, and told the results.
 */
export async function runScenario(
  drivers: Readonly<Record<string, Driver>>,
  report: string,
): Promise<void> {
  const results: Record<string, unknown> = {};
  for (const [name, driver] of Object.entries(drivers)) {
    try {
      results[name] = await scenario(
        driver,
        (moment) => tell(`${report}/${name}/${moment}`),
      );
    } catch (error) {
      results[name] = error instanceof Error ? error.stack : String(error);
    }
  }
  await tell(report, JSON.stringify(results));
}

async function tell(url: string, body = ""): Promise<void> {
  const response = await fetch(url, { method: "POST", body });
  await response.text();
}

async function scenario(driver: Driver, look: Look): Promise<unknown> {
  const engine = createEngine(driver);
  const Session = sessionmaker(engine, { schema });
  const scope = scopedSession(Session);
  try {
    const read = await inSession(Session, reads);
    const work = await inSession(Session, unitOfWork);
    const errors = await failures(Session);
    const tasks = await manyTasks(scope, look);
    const left = await inSession(Session, reads);
    await look("closed");
    return { read, work, errors, tasks, left };
  } finally {
    await engine.dispose();
  }
}

/** Adds what a session has cost to what was done in it. */
async function inSession<T>(
  Session: Sessionmaker<Schema>,
  use: (db: Session<Schema>) => Promise<T>,
): Promise<unknown> {
  const db = Session();
  try {
    const done = await use(db);
    const { roundTrips, requests, connections } = db.stats;
    return { ...done, cost: { roundTrips, requests, connections } };
  } finally {
    await db.close();
  }
}

async function reads(db: Session<Schema>) {
  const [names, titles] = await Promise.all([
    db.select({ name: authors.name }).from(authors).orderBy(asc(authors.name)),
    db.$count(books),
  ]);
  return { names: names.map(({ name }) => name), titles };
}

async function unitOfWork(db: Session<Schema>) {
  const author = db.add(authors, { name: "Ada" });
  const [first, second] = db.addAll(books, [
    { author: ref(author).id, title: "Notes" },
    { author: ref(author).id, title: "Sketches" },
  ]);
  await db.commit();
  const known = [author.id, first?.author, second?.author];
  author.name = "Ada Lovelace";
  if (second !== undefined) second.title = "Sketch";
  await db.commit();
  return { known, author, books: [first, second] };
}

async function failures(Session: Sessionmaker<Schema>) {
  const own = new Error("not today");
  const thrown = await Session.begin(async (db) => {
    await db.insert(authors).values({ name: "Zoe" });
    throw own;
  }).catch((error: unknown) => error);
  const refused = await Session.begin(async (db) => {
    await db.insert(authors).values({ name: "Zoe" });
    await db.insert(authors).values({ name: "Grace" });
  }).catch((error: unknown) => error);
  return {
    isOwn: thrown === own,
    isIntegrity: refused instanceof IntegrityError,
    code: refused instanceof NullpoolError ? refused.code : String(refused),
  };
}

/** Every task writes before any reads, and reads before any commits. */
async function manyTasks(scope: ScopedSession<Schema>, look: Look) {
  const { db } = scope;
  const written = meeting(TASKS, () => look("tasks"));
  const seen = meeting(TASKS, () => Promise.resolve());

  function task(n: number) {
    return scope.begin(async (session) => {
      await db.insert(authors).values({ name: `task ${n}` });
      await written.arrive();
      const rows = await db.select({ name: authors.name }).from(authors)
        .where(like(authors.name, "task %"));
      await seen.arrive();
      return {
        isCurrent: scope.current === session,
        sees: rows.map(({ name }) => name),
      };
    });
  }

  const numbers = Array.from({ length: TASKS }, (_, n) => n);
  return await Promise.all(numbers.map(async (n) => {
    try {
      return await task(n);
    } catch (error) {
      // Nobody waits for one that will not come.
      written.fail(error);
      seen.fail(error);
      throw error;
    }
  }));
}

/** Where tasks wait for each other. */
function meeting(size: number, whenAllAreThere: () => Promise<void>) {
  let arrived = 0;
  let go: () => void = () => {};
  let fail: (reason: unknown) => void = () => {};
  const all = new Promise<void>((resolve, reject) => {
    go = resolve;
    fail = reject;
  });
  all.catch(() => {});
  return {
    fail,
    arrive(): Promise<void> {
      arrived++;
      if (arrived === size) void whenAllAreThere().then(go, fail);
      return all;
    },
  };
}
