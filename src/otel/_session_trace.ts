import {
  type Attributes,
  type Context,
  INVALID_SPANID,
  type Link,
  type Span,
  type SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { Clock } from "./_clock.ts";
import {
  errorType,
  type Failure,
  failureAttributes,
} from "./_semantic_attributes.ts";

/** A span as it is begun, and mostly ended at once: events come at the end. */
export interface SpanParts {
  /** Its name. */
  readonly name: string;
  /** Its kind. */
  readonly kind: SpanKind;
  /** Milliseconds since 1970. */
  readonly startTime: number;
  /** What is known of it. */
  readonly attributes: Attributes;
}

/** A span, and what is inside of it. */
export interface OpenSpan {
  /** It. */
  readonly span: Span;
  /** The context of its children. */
  readonly context: Context;
}

/** A time that something took, in milliseconds since 1970. */
export interface Interval {
  /** When it began. */
  readonly start: number;
  /** When it ended. */
  readonly end: number;
}

/**
 * What is under way of a session. It knows nothing of the session itself: it
 * has to be left when that is dropped.
 */
export class SessionTrace {
  /** When the session was made, in milliseconds since 1970. */
  readonly openedAt: number;
  /** Its span, from the first time on that it does something. */
  session: OpenSpan | undefined;
  /** The transaction that is open on the server. */
  transaction: OpenSpan | undefined;
  /** Connections that were opened, and not borrowed yet. */
  readonly connects: Interval[] = [];
  /** What has failed, unless something has succeeded since. */
  failure: Failure | undefined;
  /** When something was last heard of it, in milliseconds since 1970. */
  heardAt: number;
  /** Whether nobody records it: no SDK is registered, or it was told not to. */
  isSilent = false;
  /** Whether it has ended. */
  hasEnded = false;
  readonly #tracer: Tracer;
  /** One for all of its times, so that they can be compared. */
  readonly #clockOffset: number;
  readonly #active: Context;
  readonly #outer: SessionTrace | undefined;

  /**
   * @param parts What makes its spans, and what tells their times.
   * @param active What was active where the session was made.
   * @param outer The session that waits for it.
   */
  constructor(
    { tracer, clock }: { readonly tracer: Tracer; readonly clock: Clock },
    active: Context,
    outer?: SessionTrace,
  ) {
    this.#tracer = tracer;
    this.#clockOffset = clock.offset();
    this.#active = active;
    this.#outer = outer;
    this.openedAt = this.now();
    this.heardAt = this.openedAt;
  }

  /** Milliseconds since 1970, by a clock that does not jump. */
  now(): number {
    return this.#clockOffset + performance.now();
  }

  /**
   * The time that ends now.
   *
   * @param duration How long it took, in milliseconds.
   */
  last(duration: number): Interval {
    this.heardAt = this.now();
    return { start: this.heardAt - duration, end: this.heardAt };
  }

  /** The context of what it does now. */
  get context(): Context {
    return this.transaction?.context ?? this.session?.context ?? this.#parent;
  }

  /** What its own span has no better relation to. */
  get links(): Link[] {
    const outer = this.#outer?.session?.span;
    return outer === undefined || this.#isInside
      ? []
      : [{ context: outer.spanContext() }];
  }

  /**
   * Begins a span.
   *
   * @param parts What it is.
   * @param context Its parent.
   * @param links What it is related to besides.
   */
  begin(
    parts: SpanParts,
    context: Context = this.context,
    links: Link[] = [],
  ): OpenSpan {
    const { name, ...options } = parts;
    const span = this.#tracer.startSpan(name, { ...options, links }, context);
    if (isNoop(span, context)) this.isSilent = true;
    return { span, context: trace.setSpan(context, span) };
  }

  /** Ends what is still open of it. */
  end(at: number, failure: Failure | undefined = this.failure): void {
    this.hasEnded = true;
    const { session, transaction } = this;
    this.transaction = undefined;
    if (transaction !== undefined) endSpan(transaction.span, at, failure);
    if (session !== undefined) endSpan(session.span, at, failure);
  }

  /** Another span that was made active since is nearer than the session. */
  get #isInside(): boolean {
    const outer = this.#outer;
    return outer !== undefined && !outer.hasEnded &&
      spanIdOf(outer.#active) === spanIdOf(this.#active);
  }

  get #parent(): Context {
    const outer = this.#outer;
    if (outer === undefined || !this.#isInside) return this.#active;
    return outer.session?.context ?? outer.#parent;
  }
}

/**
 * Ends a span, as a failure where there was one.
 *
 * @param span It.
 * @param at When, in milliseconds since 1970.
 * @param failure Why it failed, if it did.
 */
export function endSpan(
  span: Span,
  at: number,
  failure: Failure | undefined,
): void {
  if (failure !== undefined && errorType(failure) !== undefined) {
    span.setAttributes(failureAttributes(failure));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end(at);
}

/** The tracer without an SDK hands out the parent again, or nothing. */
function isNoop(span: Span, parent: Context): boolean {
  if (span.isRecording()) return false;
  const { spanId } = span.spanContext();
  return spanId === INVALID_SPANID || spanId === spanIdOf(parent);
}

function spanIdOf(context: Context): string | undefined {
  return trace.getSpanContext(context)?.spanId;
}
