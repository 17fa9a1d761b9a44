import type { Database } from "./database.ts";
import { customers, products } from "./schema.ts";

/** Adds something to sell and somebody to sell to, where it is missing. */
export async function seed(db: Database): Promise<void> {
  await db.insert(products).values([
    { sku: "BREAD", name: "Sourdough bread", price: 480, stock: 40 },
    { sku: "CHEESE", name: "Mountain cheese, 250 g", price: 790, stock: 25 },
    { sku: "JAM", name: "Apricot jam", price: 550, stock: 60 },
    { sku: "TRUFFLE", name: "Black truffle", price: 12900, stock: 3 },
  ]).onConflictDoNothing();
  await db.insert(customers).values([
    { name: "Ada Lovelace", email: "ada@example.com" },
    { name: "Grace Hopper", email: "grace@example.com" },
    { name: "Edgar Codd", email: "edgar@example.com" },
  ]).onConflictDoNothing();
}
