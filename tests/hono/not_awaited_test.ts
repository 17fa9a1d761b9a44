import { assert, assertEquals, assertRejects } from "@std/assert";
import { Hono } from "hono";
import { mapTasks, type Session, StateError } from "../../mod.ts";
import {
  dbSession,
  type SessionVariables,
  transactional,
} from "../../src/hono/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { insert, post, requestTest } from "./request_bed.ts";

/** What a block is given that goes on behind its answer. */
interface Steps {
  /** Told when the first half is done. */
  half(): void;
  /** When the second half may begin. */
  readonly isAnswered: Promise<void>;
}

/** Blocks of a session that write half of what they have to, and wait. */
const BLOCKS: Readonly<
  Record<string, (db: Session, steps: Steps) => Promise<unknown>>
> = {
  "begin(fn)": (db, steps) => db.begin((own) => twice(own, steps)),
  "noAutoflush(fn)": (db, steps) => db.noAutoflush(() => twice(db, steps)),
  "transaction(fn)": (db, steps) => db.transaction((tx) => twice(tx, steps)),
  "beginNested(fn)": (db, steps) => db.beginNested((tx) => twice(tx, steps)),
  "a begin(fn) that has committed": (db, steps) =>
    db.begin(async (own) => {
      await own.execute("select 1");
      await own.commit();
      steps.half();
      await steps.isAnswered;
      await own.execute("insert into kept values (2)");
    }),
};

async function twice(
  db: Pick<Session, "execute">,
  { half, isAnswered }: Steps,
): Promise<void> {
  await db.execute("insert into kept values (1)");
  half();
  await isAnswered;
  await db.execute("insert into kept values (2)");
}

for (const [name, block] of Object.entries(BLOCKS)) {
  requestTest(
    `commits no half of ${name} that nobody has awaited`,
    async ({ Session, app, stored }) => {
      const answered = Promise.withResolvers<void>();
      const blocks: Promise<unknown>[] = [];
      /** Ends when the block has done its first half. */
      async function forget(db: Session): Promise<void> {
        const half = Promise.withResolvers<void>();
        const steps = { half: half.resolve, isAnswered: answered.promise };
        blocks.push(block(db, steps).catch((error: unknown) => error));
        await half.promise;
      }
      app.post("/forgotten/:n", async (c) => {
        await forget(c.var.db);
        return c.text("fine");
      });
      const bare = new Hono<{ Variables: SessionVariables }>();
      bare.onError((error, c) => c.text(`failed: ${error.name}`, 500));
      bare.post(
        "/forgotten/:n",
        transactional(Session, async (c) => {
          await forget(c.var.db);
          return c.text("fine");
        }),
      );
      for (const each of [app, bare]) {
        const response = await post(each, "/forgotten/1");
        assertEquals(response.status, 500);
        assertEquals(await response.text(), "failed: StateError");
      }
      await assertRejects(
        () => mapTasks(Session, [1], (db) => forget(db)),
        StateError,
      );
      answered.resolve();
      for (const error of await Promise.all(blocks)) {
        assert(error instanceof StateError, String(error));
      }
      assertEquals(await stored(), []);
    },
  );
}

requestTest("commits what is around a block that is awaited", async (bed) => {
  const { Session, stored } = bed;
  const scope = scopedSession(Session);
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(scope));
  app.post("/:n", async (c) => {
    const { db } = c.var;
    await scope.begin((own) => insert(own, 1));
    await db.noAutoflush(() => insert(db, 2));
    await db.commit();
    await db.begin((own) => insert(own, 3));
    await insert(db, 4);
    return c.text("fine");
  });
  assertEquals((await post(app, "/1")).status, 200);
  assertEquals(await stored(), [1, 2, 3, 4]);
});
