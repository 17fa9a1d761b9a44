import type { NewNote, NewOrder, NewReading, Store } from "./peer.ts";

/** The tables of the benchmark, and what is in them before anything is run. */
export const SETUP = `
create table products (
  id serial primary key,
  name text not null,
  price integer not null,
  stock integer not null
);
create table customers (
  id serial primary key,
  name text not null,
  email text not null
);
create table orders (
  id serial primary key,
  customer text not null,
  total integer not null
);
create table order_lines (
  id serial primary key,
  order_id integer not null references orders,
  sku text not null,
  quantity integer not null,
  price integer not null
);
create index on order_lines (order_id);
create table readings (
  id serial primary key,
  sensor text not null,
  value integer not null,
  unit text not null,
  taken_at timestamptz not null
);
create table notes (
  id serial primary key,
  key text not null unique,
  body text not null
);
insert into products (name, price, stock)
  select 'product ' || n, 100 + n, 1000000 from generate_series(1, 1000) n;
insert into customers (name, email)
  select 'customer ' || n, n || '@example.com' from generate_series(1, 1000) n;
insert into orders (customer, total)
  select 'old', 100 from generate_series(1, 100);
insert into order_lines (order_id, sku, quantity, price)
  select o, 'sku ' || n, n, 10 * n
  from generate_series(1, 100) o, generate_series(1, 5) n;
insert into notes (key, body) values ('taken', 'first');
analyze;
`;

/** The key that W7 finds taken. */
export const TAKEN: NewNote = { key: "taken", body: "second" };

/** What one request is given: nothing that another request is given. */
export interface Input {
  /** A word that no other request has. */
  readonly tag: string;
  /** A number that counts up from 0. */
  readonly number: number;
}

/** How few round trips a request can need behind an open connection. */
export interface Flights {
  /** Where a transaction has to be one request. */
  readonly http: number | undefined;
  /** Over a connection. */
  readonly connection: number;
}

/** What a request does. */
export interface Workload {
  /** One line. */
  readonly title: string;
  /** The physical limit, and the target of this library. */
  readonly flights: Flights;
  /**
   * Makes what a request is given, which it does not pay for. What it answers
   * is checked by `verify.ts`.
   */
  request(input: Input): (store: Store) => Promise<unknown>;
}

/** The keys that W1, W2, W3 and W5 use; each request has its own. */
export function productOf({ number }: Input): number {
  return 1 + (number * 10) % 1_000;
}

/** The ten that W5 changes. */
export function tenOf(input: Input): number[] {
  return Array.from({ length: 10 }, (_, n) => productOf(input) + n);
}

/** The three that W2 reads. */
export function threeOf(
  input: Input,
): { product: number; customer: number; order: number } {
  const product = productOf(input);
  return { product, customer: product, order: 1 + product % 100 };
}

/** The order of W4. */
export function orderOf({ tag }: Input): NewOrder {
  const lines = [1, 2, 3, 4, 5].map((n) => ({
    sku: `sku ${n}`,
    quantity: n,
    price: 10 * n,
  }));
  return { customer: tag, total: 550, lines };
}

/** The rows of W6. */
export function readingsOf({ tag }: Input, length: number): NewReading[] {
  return Array.from({ length }, (_, n) => ({
    sensor: tag,
    value: n,
    unit: "kelvin",
    takenAt: new Date(1.7e12 + n * 1_000),
  }));
}

/** The note of W7 and W8. */
export function noteOf({ tag }: Input): NewNote {
  return { key: tag, body: "written" };
}

const ONE: Flights = { http: 1, connection: 1 };
const TWO: Flights = { http: 2, connection: 2 };

/** All of them, by their short names. */
export const WORKLOADS = {
  W1: {
    title: "a read by key",
    flights: ONE,
    request(input) {
      const key = productOf(input);
      return (store) => store.readByKey(key);
    },
  },
  W2: {
    title: "three independent reads",
    flights: ONE,
    request(input) {
      const keys = threeOf(input);
      return (store) => store.readThree(keys);
    },
  },
  W3: {
    title: "read one row and change it",
    flights: TWO,
    request(input) {
      const key = productOf(input);
      return (store) => store.sellOne(key);
    },
  },
  W4: {
    title: "an order with five lines, keys made by the server",
    flights: ONE,
    request(input) {
      const order = orderOf(input);
      return (store) => store.placeOrder(order);
    },
  },
  W5: {
    title: "read ten rows and change them",
    flights: TWO,
    request(input) {
      const keys = tenOf(input);
      return (store) => store.sellTen(keys);
    },
  },
  "W6-1k": rows(1_000),
  "W6-10k": rows(10_000),
  W7: {
    title: "a savepoint that fails and is recovered",
    flights: { http: undefined, connection: 2 },
    request(input) {
      const order = { customer: input.tag, total: 1 };
      const note = noteOf(input);
      return (store) => store.recover(order, TAKEN, note);
    },
  },
  W8: {
    title: "one insert, awaited, in a transaction that commits",
    flights: { http: undefined, connection: 2 },
    request(input) {
      const note = noteOf(input);
      return (store) => store.addNote(note);
    },
  },
  "W8-alone": {
    title: "one insert that nothing waits for",
    flights: ONE,
    request(input) {
      const note = noteOf(input);
      return (store) => store.addNoteAlone(note);
    },
  },
} as const satisfies Readonly<Record<string, Workload>>;

function rows(length: number): Workload {
  return {
    title: `${length.toLocaleString("en")} rows`,
    flights: ONE,
    request(input) {
      const readings = readingsOf(input, length);
      return (store) => store.addReadings(readings);
    },
  };
}

/** The short name of a workload. */
export type WorkloadName = keyof typeof WORKLOADS;

/** Their short names, in order. */
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];
