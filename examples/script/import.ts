import {
  createEngine,
  type Engine,
  mapTasks,
  migrate,
  NullpoolError,
  QueuePool,
  type Session,
  sessionmaker,
} from "@nullpool/db";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";
import { stat } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Batch, readBatches } from "./batches.ts";
import { ProgressBar } from "./progress_bar.ts";
import * as schema from "./schema.ts";
import { importedBatches, readings } from "./schema.ts";

/** Lines that are imported together. */
const BATCH = 500;

/** How many batches are imported at once. */
const CONCURRENCY = 4;

/** What an import has committed. */
interface Progress {
  bytes: number;
  imported: number;
  known: number;
}

/** Imports what is not there yet; each batch is a transaction of its own. */
async function importFile(
  engine: Engine,
  path: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const Session = sessionmaker(engine, { schema });
  const { size } = await stat(path);
  const bar = new ProgressBar(process.stderr);
  try {
    // As many at once as the engine has connections. The file is read as fast
    // as it is imported: batches do not pile up.
    await mapTasks(
      Session,
      readBatches(path, BATCH),
      (db, batch) => importBatch(db, batch, progress),
      {
        signal,
        onProgress: () => bar.draw(progress.bytes / size, summary(progress)),
      },
    );
  } finally {
    bar.end();
  }
}

async function importBatch(
  db: Session<typeof schema>,
  { digest, rows, bytes }: Batch,
  progress: Progress,
): Promise<void> {
  // Whoever writes this row imports the batch; it is there with its readings,
  // or not at all. A second import at the same time waits here.
  const claimed = await db.insert(importedBatches)
    .values({ digest, rows: rows.length })
    .onConflictDoNothing()
    .returning();
  const isNew = claimed.length > 0;
  if (isNew) {
    await db.insert(readings).values([...rows]).onConflictDoNothing();
  }
  db.afterCommit(() => {
    progress.bytes += bytes;
    if (isNew) progress.imported += rows.length;
    else progress.known += rows.length;
  });
}

function summary({ imported, known }: Progress): string {
  return `${imported} lines imported, ${known} were known`;
}

function openEngine(): Engine {
  const url = process.env.DATABASE_URL;
  if (!url) return createEngine(pglite(".data/readings"));
  return createEngine(postgres(url), {
    pool: (driver) =>
      new QueuePool(driver, { poolSize: CONCURRENCY, maxOverflow: 0 }),
  });
}

/** Returns the exit code: 1 after a failure, 130 after Ctrl+C. */
async function main(path: string | undefined): Promise<number> {
  if (path === undefined) {
    console.error("Usage: import.ts readings.csv");
    return 2;
  }
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const progress: Progress = { bytes: 0, imported: 0, known: 0 };
  const engine = openEngine();
  try {
    await migrate(engine, fileURLToPath(new URL("drizzle", import.meta.url)));
    await importFile(engine, path, progress, stop.signal);
    console.log(summary(progress));
    return 0;
  } catch (error) {
    if (!stop.signal.aborted) console.error(explain(error));
    console.log(`${summary(progress)}; run it again to go on`);
    return stop.signal.aborted ? 130 : 1;
  } finally {
    await engine.dispose();
  }
}

/** What its user can mend is one line. */
function explain(error: unknown): unknown {
  const isForUser = error instanceof NullpoolError ||
    error instanceof RangeError ||
    error instanceof Error && "code" in error;
  return isForUser ? error.message : error;
}

process.exit(await main(process.argv[2]));
