import type { EventMap } from "./event.ts";

/** The types of all events: a record, so that none is forgotten. */
export const EVENT_TYPES: Readonly<Record<keyof EventMap, true>> = {
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
