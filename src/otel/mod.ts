/**
 * OpenTelemetry: spans and metrics of what an engine does.
 *
 * @module
 */
export { instrument, type InstrumentOptions } from "./instrument.ts";
export type { SpanName } from "./_spans.ts";
