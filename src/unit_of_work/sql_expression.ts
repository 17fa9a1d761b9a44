import type { WireParameter } from "../driver/parameter.ts";

/** Numbers a parameter of the statement that is made; its placeholder. */
export type AddParameter = (value: WireParameter) => string;

/** A value that the database computes when a row is written. */
export class SqlExpression {
  /**
   * Writes it as SQL.
   *
   * @param add Numbers its parameters.
   */
  readonly render: (add: AddParameter) => string;
  /** What tells it from others: its text and its parameters. */
  readonly signature: string;
  /** Whether it stands for what the column would have without it. */
  readonly isDefault: boolean;

  /** @param render Writes it as SQL. */
  constructor(render: (add: AddParameter) => string) {
    this.render = render;
    const values: WireParameter[] = [];
    const text = render((value) => `$${values.push(value)}`);
    this.isDefault = text.toLowerCase() === "default";
    this.signature = JSON.stringify([text, values]);
  }
}
