import type { Engine } from "../engine/engine.ts";

/** What telemetry needs of an engine. */
export type EventSource = Pick<
  Engine,
  "on" | "status" | "driver" | "capacity" | "readers"
>;
