/** Bytes to lines. */
export class TextLineStream {
  /** Takes bytes. */
  readonly writable: WritableStream<Uint8Array>;
  /** Gives lines, without their ends. */
  readonly readable: ReadableStream<string>;

  /** One for one stream. */
  constructor() {
    const decoder = new TextDecoder();
    let rest = "";
    const { readable, writable } = new TransformStream<Uint8Array, string>({
      transform(bytes, controller) {
        const lines = (rest + decoder.decode(bytes, { stream: true }))
          .split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) controller.enqueue(line);
      },
    });
    this.readable = readable;
    this.writable = writable;
  }
}
