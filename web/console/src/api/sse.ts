// text/event-stream, as the HTML standard (9.2.6) says. Pure: pieces of text in, events out.

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

/** A line longer than this is not ours. */
const maxLine = 4 << 20;

export class EventParser {
  private rest = "";
  private data: string[] = [];
  private event = "";
  /** The last id seen: what a new connection resumes from. */
  lastId = "";

  /** `heard` is called for everything that ends a line, comments too: the heartbeat is one. */
  push(text: string, emit: (e: ServerEvent) => void): void {
    this.rest += text;
    for (;;) {
      const at = this.rest.search(/\r\n|\n|\r(?!$)/);
      if (at < 0) break;
      const line = this.rest.slice(0, at);
      this.rest = this.rest.slice(at + (this.rest.startsWith("\r\n", at) ? 2 : 1));
      this.line(line, emit);
    }
    if (this.rest.length > maxLine) throw new Error("a line of the event stream is too long");
  }

  private line(line: string, emit: (e: ServerEvent) => void): void {
    if (line === "") {
      if (this.data.length) emit({ id: this.lastId, event: this.event || "message", data: this.data.join("\n") });
      this.data = [];
      this.event = "";
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
  }
}
