import type { Flight, Lane, Mark, Step } from "./_inspector_lane.ts";

/** What the page says about lanes. */
export class ViewWords {
  /** What a mark is called, and the sign that goes with its colour. */
  readonly marks: Readonly<Record<Mark["kind"], readonly [string, string]>> = {
    error: ["Errors", "✕"],
    leak: ["Leaks", "◌"],
    retry: ["Retries", "↻"],
    rollback: ["Rollbacks", "↶"],
    repeated: ["N+1", "≡"],
    idle: ["Idle in transaction", "‖"],
  };

  /**
   * A time, as exact as somebody can use it.
   *
   * @param ms Milliseconds.
   */
  time(ms: number): string {
    if (ms < 9.95) return `${Math.max(0, ms).toFixed(1)} ms`;
    if (ms < 999.5) return `${Math.round(ms)} ms`;
    if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
    return `${Math.floor(ms / 60_000)} min ${Math.round(ms % 60_000 / 1000)} s`;
  }

  /**
   * A number of things.
   *
   * @param count How many.
   * @param thing One of them.
   */
  count(count: number, thing: string): string {
    return `${count} ${thing}${count === 1 ? "" : "s"}`;
  }

  /**
   * What a lane is called: its route, once that is known.
   *
   * @param lane The lane.
   */
  title({ request, name }: Lane): string {
    return request === undefined ? name : `${request.method} ${request.route}`;
  }

  /**
   * How a lane has ended, in a word.
   *
   * @param lane The lane.
   */
  outcome({ request, closedAt, isOpen, marks, steps }: Lane): string {
    if (request !== undefined) return String(request.status ?? "threw");
    if (marks.some(({ kind }) => kind === "leak")) return "leaked";
    if (closedAt === undefined) return isOpen ? "in transaction" : "runs";
    const last = steps.findLast(({ kind }) =>
      kind === "commit" || kind === "rollback"
    );
    if (last?.kind === "commit") return "committed";
    if (marks.some(({ label }) => label === "in doubt")) return "in doubt";
    return marks.some(({ kind }) => kind === "rollback" || kind === "error")
      ? "undone"
      : "closed";
  }

  /**
   * Whether an outcome is good, or bad, or neither.
   *
   * @param outcome As `outcome()` says it.
   */
  tone(outcome: string): "good" | "bad" | "warn" | "plain" {
    if (/^(?:5|threw|leaked|undone)/.test(outcome)) return "bad";
    if (/^(?:4|in doubt)/.test(outcome)) return "warn";
    return /^(?:2|committed)/.test(outcome) ? "good" : "plain";
  }

  /**
   * What a step is called.
   *
   * @param step The step.
   * @param texts SQL of its lane.
   */
  step({ kind, text, note }: Step, texts: readonly string[]): string {
    switch (kind) {
      case "wait":
        return "wait for a connection";
      case "connect":
        return "connect";
      case "statement":
        return text === undefined
          ? "a statement that is not kept"
          : (texts[text] ?? "").replace(/\s+/g, " ").trim();
      case "savepoint":
        return note ?? "SAVEPOINT";
      case "flush":
        return `flush: ${note ?? ""}`;
      case "idle":
        return "idle in transaction";
      case "close":
        return note === undefined ? "close" : `close: ${note}`;
      case "rollback":
        return "ROLLBACK";
      default:
        return kind.toUpperCase();
    }
  }

  /**
   * How something travelled.
   *
   * @param flight What is known of it; what is told alone goes over a connection
   * that is held.
   */
  transport(flight: Flight | undefined): string {
    if (flight === undefined) return "interactive";
    const { transport, isRequest } = flight;
    return isRequest ? `${transport}, an HTTP request` : transport;
  }

  /**
   * A lane in a sentence, for those who do not see its picture.
   *
   * @param lane The lane.
   * @param time How long it has run, in milliseconds.
   */
  summary(lane: Lane, time: number): string {
    const { counts, marks, closedAt } = lane;
    const parts = [
      `${this.time(time)}${closedAt === undefined ? " so far" : ""}`,
      `${this.count(counts.statements, "statement")} in ${
        this.count(counts.roundTrips, "round trip")
      }`,
      ...this.spent(lane),
      ...marks.map(({ label }) => label),
    ];
    return parts.join(", ");
  }

  /**
   * What time was spent on besides statements.
   *
   * @param lane The lane.
   */
  spent({ steps }: Lane): string[] {
    return (["wait", "connect", "idle"] as const).flatMap((kind) => {
      const time = steps.filter((step) => step.kind === kind)
        .reduce((sum, { start, end }) => sum + end - start, 0);
      return time < 0.05 ? [] : [`${kind} ${this.time(time)}`];
    });
  }
}
