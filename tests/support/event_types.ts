import type { EventMap } from "../../src/events/event.ts";
import { EVENT_TYPES as TYPES } from "../../src/events/event_types.ts";

/** The types of all events, for who listens to everything. */
export const EVENT_TYPES: readonly (keyof EventMap)[] = Object.keys(
  TYPES,
) as (keyof EventMap)[];
