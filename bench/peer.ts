/**
 * Whether a request opens a connection of its own, or finds one in a pool that
 * earlier requests have left.
 */
export type Mode = typeof MODES[number];

/** Both of them, in the order of the tables. */
export const MODES = ["cold", "warm"] as const;

/** A row that is read, and whose stock is changed. */
export interface Product {
  /** Its key. */
  readonly id: number;
  /** What it is called. */
  readonly name: string;
  /** In cents. */
  readonly price: number;
  /** How many there are. */
  readonly stock: number;
}

/** A row that is only read. */
export interface Customer {
  /** Its key. */
  readonly id: number;
  /** What they are called. */
  readonly name: string;
  /** Where they are written to. */
  readonly email: string;
}

/** A line of an order. */
export interface OrderLine {
  /** What. */
  readonly sku: string;
  /** How many. */
  readonly quantity: number;
  /** In cents. */
  readonly price: number;
}

/** An order, before the database has made its keys. */
export interface NewOrder {
  /** Whose; the benchmark tells orders apart by it. */
  readonly customer: string;
  /** In cents. */
  readonly total: number;
  /** What is ordered. */
  readonly lines: readonly OrderLine[];
}

/** A row that comes in thousands. */
export interface NewReading {
  /** Which sensor. */
  readonly sensor: string;
  /** What it says. */
  readonly value: number;
  /** Of what. */
  readonly unit: string;
  /** When. */
  readonly takenAt: Date;
}

/** A row whose key may be taken. */
export interface NewNote {
  /** Unique. */
  readonly key: string;
  /** What it says. */
  readonly body: string;
}

/** What three independent reads find. */
export interface ThreeReads {
  /** By key. */
  readonly product: Product | undefined;
  /** By key. */
  readonly customer: Customer | undefined;
  /** Those of an order, by its key. */
  readonly lines: readonly OrderLine[];
}

/** One request's way to the database: what it may be asked to do. */
export interface Store {
  /** W1: reads a product by its key. */
  readByKey(id: number): Promise<Product | undefined>;
  /** W2: three reads, none of which needs another's answer. */
  readThree(
    keys: { product: number; customer: number; order: number },
  ): Promise<ThreeReads>;
  /** W3: reads a product, {@linkcode sell}s one, writes it; the new stock. */
  sellOne(id: number): Promise<number>;
  /** W4: an order and its lines, all or nothing; the order's key. */
  placeOrder(order: NewOrder): Promise<number>;
  /** W5: as W3 with ten products, all or nothing. */
  sellTen(ids: readonly number[]): Promise<void>;
  /** W6: rows; the keys that the database has made, in order. */
  addReadings(readings: readonly NewReading[]): Promise<readonly number[]>;
  /**
   * W7: a transaction writes an order, tries to write a note whose key is
   * taken, writes another note instead, and commits.
   */
  recover(
    order: { customer: string; total: number },
    taken: NewNote,
    instead: NewNote,
  ): Promise<void>;
  /** W8: an insert that is awaited, inside a transaction, which commits. */
  addNote(note: NewNote): Promise<void>;
  /** W8: the same, where nothing needs its answer before the end. */
  addNoteAlone(note: NewNote): Promise<void>;
  /** The request is over. */
  close(): Promise<void>;
}

/** What stands between an application and its database. */
export interface Peer {
  /**
   * Makes what lives as long as a process, which no request pays for.
   *
   * @param url The database, or the endpoint in front of it.
   * @param mode Whether connections are kept.
   * @returns Called at the begin of each request.
   */
  prepare(url: string, mode: Mode): Promise<() => Promise<Store>>;
}

/**
 * What W3 and W5 compute in the application, so that reading is no waste: the
 * stock that is left.
 */
export function sell({ price, stock }: Product): number {
  const sold = 1 + price % 3;
  if (stock < sold) throw new RangeError("Cannot sell: none are left");
  return stock - sold;
}
