import { html, raw } from "hono/html";
import type { OrderSummary } from "./orders.ts";
import { PAGE_STYLE } from "./page_style.ts";
import type { Problem } from "./problem.ts";
import type { customers, products } from "./schema.ts";

type Customer = typeof customers.$inferSelect;
type Product = typeof products.$inferSelect;
type Html = ReturnType<typeof html>;

/** A form as an order that is still to be checked. */
export interface FormOrder {
  customerId: number;
  lines: { sku: string; quantity: number }[];
}

/** An order that was not placed, and what was typed. */
export interface Refused {
  problem: Problem;
  input: FormOrder;
  form: URLSearchParams;
}

/** What the page shows. */
export interface PageData {
  customers: Customer[];
  products: Product[];
  orders: OrderSummary[];
  /** The order that was placed just now. */
  placed?: number | undefined;
  refused?: Refused;
}

const QUANTITY = "quantity.";

/** Reads the fields of the form; products without a quantity are left out. */
export function orderOf(form: URLSearchParams): FormOrder {
  const lines = [...form].flatMap(([name, value]) => {
    const isOrdered = name.startsWith(QUANTITY) && !/^0*$/.test(value.trim());
    return isOrdered
      ? { sku: name.slice(QUANTITY.length), quantity: numberOf(value) }
      : [];
  });
  return { customerId: numberOf(form.get("customerId") ?? ""), lines };
}

/** The page: a form to order, and what was ordered. */
export function renderPage(data: PageData): Html {
  const { orders, placed } = data;
  const content = [
    html`<h1>Order desk</h1>`,
    placed && html`<p role="status">Order ${placed} was placed.</p>`,
    data.refused && refusal(data.refused, data.products),
    orderForm(data),
    orders.length === 0
      ? html`<p>Nothing was ordered yet.</p>`
      : orderTable(orders),
  ];
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Order desk</title>
        <link rel="icon" href="data:,">
        <style>${raw(PAGE_STYLE)}</style>
      </head>
      <body>
        <main>${content}</main>
      </body>
    </html>
  `;
}

function orderForm({ customers, products, refused }: PageData): Html {
  const options = customers.map((customer) =>
    customerOption(customer, refused)
  );
  const rows = products.map((product) => productRow(product, refused));
  return html`
    <form method="post" action="/">
      <label for="customer">Customer</label>
      <select id="customer" name="customerId" required>
        <option value="">Please choose</option>
        ${options}
      </select>
      <table>
        <caption>Products</caption>
        <thead>
          <tr>
            <th scope="col">Product</th>
            <th scope="col" class="number">Price</th>
            <th scope="col" class="number">In stock</th>
            <th scope="col" class="number" id="quantity">Quantity</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
      <button>Place the order</button>
    </form>
  `;
}

function customerOption({ id, name }: Customer, refused?: Refused): Html {
  const selected = refused?.input.customerId === id ? "selected" : "";
  return html`
    <option value="${id}" ${selected}>${name}</option>
  `;
}

function productRow({ sku, name, price, stock }: Product, refused?: Refused) {
  const field = QUANTITY + sku;
  const typed = refused?.form.get(field) ?? "";
  return html`
    <tr>
      <th scope="row" id="${sku}">${name}</th>
      <td class="number">${money(price)}</td>
      <td class="number">${stock}</td>
      <td class="number">
        <input
          type="number"
          name="${field}"
          value="${typed}"
          min="0"
          max="1000"
          aria-labelledby="quantity ${sku}"
        >
      </td>
    </tr>
  `;
}

function orderTable(orders: readonly OrderSummary[]): Html {
  const rows = orders.map(orderRow);
  return html`
    <table>
      <caption>The newest orders</caption>
      <thead>
        <tr>
          <th scope="col">Order</th>
          <th scope="col">Customer</th>
          <th scope="col">Placed (UTC)</th>
          <th scope="col">Status</th>
          <th scope="col" class="number">Total</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  `;
}

function orderRow({ id, customer, createdAt, status, total }: OrderSummary) {
  const instant = createdAt.toISOString();
  const time = instant.slice(0, 16).replace("T", " ");
  return html`
    <tr>
      <td><a href="/orders/${id}">${id}</a></td>
      <td>${customer}</td>
      <td><time datetime="${instant}">${time}</time></td>
      <td>${status}</td>
      <td class="number">${money(total)}</td>
    </tr>
  `;
}

function refusal({ problem, input }: Refused, products: Product[]): Html {
  // What people call a field such as `lines.0.quantity`.
  function labelOf(field: string): string {
    if (field === "customerId") return "Customer";
    const [, index] = /^lines\.(\d+)/.exec(field) ?? [];
    const sku = input.lines[Number(index)]?.sku;
    const product = products.find((each) => each.sku === sku);
    return product ? `Quantity of ${product.name}` : "The order";
  }
  const messages = Object.entries(problem.fields).map(([field, message]) =>
    html`<li>${labelOf(field)} ${message}</li>`
  );
  return html`<div role="alert">${problem.message}:<ul>${messages}</ul></div>`;
}

function money(cents: number): string {
  return `€\u00a0${(cents / 100).toFixed(2)}`;
}

/** NaN unless it is digits: `Number` takes "" for 0, and "0x10" for 16. */
function numberOf(text: string): number {
  return /^\d+$/.test(text.trim()) ? Number(text) : NaN;
}
