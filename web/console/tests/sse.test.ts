import { describe, expect, test } from "vitest";
import { EventParser, type ServerEvent } from "../src/api/sse";

function read(pieces: readonly string[]): { events: ServerEvent[]; id: string } {
  const p = new EventParser();
  const events: ServerEvent[] = [];
  for (const piece of pieces) p.push(piece, (e) => events.push(e));
  return { events, id: p.lastId };
}

describe("event stream", () => {
  const text = 'id: 7\nevent: upsert\ndata: {"a":\ndata: 1}\n\n: heartbeat\n\nid: 8\r\ndata: x\r\n\r\n';
  const wanted = [
    { id: "7", event: "upsert", data: '{"a":\n1}' },
    { id: "8", event: "message", data: "x" },
  ];
  test("reads events, ids, comments", () => {
    expect(read([text])).toEqual({ events: wanted, id: "8" });
  });
  test("cut anywhere, it reads the same", () => {
    for (let i = 0; i <= text.length; i++) expect(read([text.slice(0, i), text.slice(i)]).events).toEqual(wanted);
    expect(read([...text]).events).toEqual(wanted);
  });
  test("an event without data is none; the id still counts", () => {
    expect(read(["id: 9\nevent: count\n\n"])).toEqual({ events: [], id: "9" });
  });
  test("a line without end is refused at 4 MiB", () => {
    const p = new EventParser();
    expect(() => { for (let i = 0; i < 6; i++) p.push("x".repeat(1 << 20), () => undefined); }).toThrow("too long");
  });
});
