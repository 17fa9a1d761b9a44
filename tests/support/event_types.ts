import type { EventMap } from "../../src/events/event.ts";

/** As a record, so that no type is forgotten. */
const TYPES: Readonly<Record<keyof EventMap, true>> = {
  sessionOpen: true,
  sessionClose: true,
  connect: true,
  close: true,
  checkout: true,
  checkoutError: true,
  checkin: true,
  begin: true,
  savepoint: true,
  statement: true,
  flight: true,
  flush: true,
  commit: true,
  rollback: true,
  retry: true,
  request: true,
  leak: true,
  backgroundError: true,
  listenerError: true,
};

/** The types of all events, for who listens to everything. */
export const EVENT_TYPES: readonly (keyof EventMap)[] = Object.keys(
  TYPES,
) as (keyof EventMap)[];
