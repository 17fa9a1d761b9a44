import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Result, Statement } from "../driver/statement.ts";
import type { Engine } from "../engine/engine.ts";
import { StaleDataError } from "../errors/database_error.ts";
import { hideEntities } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import type { Change } from "../unit_of_work/change_set.ts";
import type { PlannedStatement } from "../unit_of_work/flush_plan.ts";
import type { UnitOfWork } from "../unit_of_work/unit_of_work.ts";
import type { Refusal } from "../unit_of_work/written_rows.ts";
import { explainedXmin } from "./explained_xmin.ts";

/** What a flush has to do with. */
interface FlushParts {
  /** Takes in the answers. */
  readonly work: UnitOfWork;
  /** Told when it is done. */
  readonly engine: Engine;
  /** Whose it is, as events tell it. */
  readonly holder: PoolHolder | undefined;
  /** Whether nothing has undone it. */
  readonly isLive: () => boolean;
}

/** The statements of one flush, from their sending to their answers. */
export class RunningFlush {
  readonly #planned: readonly PlannedStatement[];
  readonly #parts: FlushParts;
  readonly #taken = new Set<PlannedStatement>();
  readonly #start = performance.now();
  #refusal: Refusal | undefined;

  /**
   * @param planned What the unit of work has sealed.
   * @param parts What it has to do with.
   */
  constructor(planned: readonly PlannedStatement[], parts: FlushParts) {
    this.#planned = planned;
    this.#parts = parts;
  }

  /**
   * What to send, in order. An answer is taken in as soon as it is there: while
   * the server works on the next page of a long list, that costs no time.
   */
  statements(): Statement[] {
    return this.#planned.map((planned) =>
      new HeardStatement(
        planned.statement,
        (result) => this.#take(planned, result),
      )
    );
  }

  /**
   * Takes in all answers.
   *
   * @param answers Of its statements, in order.
   * @param fail Told why it failed: its changes count as done, so without them
   * nothing may be committed.
   * @returns What was thrown at an answer, though the statements were done; all
   * others are taken in.
   * @throws {DatabaseError} When the server refused a statement.
   */
  async settle(
    answers: readonly Promise<Result>[],
    fail: (error: unknown) => void,
  ): Promise<Refusal | undefined> {
    // The first failure counts; those behind it say the same.
    for (const answer of answers) answer.catch(() => {});
    const results: Result[] = [];
    try {
      for (const answer of answers) results.push(await answer);
    } catch (error) {
      this.#takeBack();
      for (const planned of this.#planned) this.#take(planned, undefined);
      if (this.#parts.isLive()) fail(error);
      const failed = this.#planned[results.length];
      throw failed === undefined ? error : explained(error, failed);
    }
    for (const [at, planned] of this.#planned.entries()) {
      this.#take(planned, results[at]);
    }
    this.#tell();
    return this.#refusal;
  }

  /** What was made is true when the whole flight has succeeded. */
  #takeBack(): void {
    const { work, isLive } = this.#parts;
    if (!isLive()) return;
    for (const planned of this.#taken) work.takeBack(planned);
  }

  #take(planned: PlannedStatement, result: Result | undefined): void {
    if (this.#taken.has(planned)) return;
    this.#taken.add(planned);
    const { work, isLive } = this.#parts;
    const { unreadable, isLost } = result ?? {};
    if (result === undefined || !isLive()) work.unanswered(planned);
    else if (isLost || unreadable !== undefined) work.unread(planned);
    else this.#refusal ??= work.answer(planned, result);
    if (unreadable !== undefined) this.#refusal ??= { error: unreadable };
  }

  #tell(): void {
    const { engine, holder } = this.#parts;
    if (!engine.hears("flush")) return;
    engine.emit({
      type: "flush",
      session: holder,
      inserted: this.#count("insert"),
      updated: this.#count("update"),
      deleted: this.#count("delete"),
      statements: this.#planned.length,
      duration: performance.now() - this.#start,
    });
  }

  #count(kind: Change["kind"]): number {
    return this.#planned.filter(({ changes: [first] }) => first?.kind === kind)
      .reduce((sum, { changes }) => sum + changes.length, 0);
  }
}

/** A copy that is told its answer; parameters are written when they are sent. */
class HeardStatement implements Statement {
  readonly text: string;
  readonly rowMode: Statement["rowMode"];
  readonly access: Statement["access"];
  readonly stale: Statement["stale"];
  readonly onAnswer: (result: Result) => void;
  readonly #heard: Statement;

  constructor(heard: Statement, onAnswer: (result: Result) => void) {
    this.text = heard.text;
    this.rowMode = heard.rowMode;
    this.access = heard.access;
    this.stale = heard.stale;
    this.onAnswer = onAnswer;
    this.#heard = heard;
  }

  get params(): Statement["params"] {
    return this.#heard.params;
  }
}

/** Says which entities a failed statement was about. */
function explained(error: unknown, { changes }: PlannedStatement): unknown {
  const entities = changes.map(({ entry: { entity } }) => entity);
  const isCounted = error instanceof StaleDataError ||
    (error instanceof StateError && error.code === "ROW_NOT_RETURNED");
  if (isCounted) hideEntities(error, entities);
  const table = changes[0]?.entry.table;
  return table === undefined ? error : explainedXmin(error, table, entities);
}
