import { describe, expect, test } from "vitest";
import { bare, codeOf, lookOf, transcriptText, withSilence, type TranscriptLine } from "../src/lib/transcript";
import { isCustom, longer, parseMoment, readSpan, spanQuery, typedMoment } from "../src/lib/span";

const line = (kind: TranscriptLine["kind"], text: string, time = "2026-03-12T10:31:14.000Z"): TranscriptLine => ({ time, kind, text });

describe("transcript", () => {
  test("reply codes are told from text", () => {
    expect([line("in", "220 mail"), line("out", "250-SIZE"), line("in", "354"), line("in", "2500 x"), line("text", "250 x"), line("in", "a1 OK")].map(codeOf)).toEqual(["220", "250", "354", undefined, undefined, undefined]);
  });
  test("failures are seen", () => {
    expect([line("out", "550 5.1.1 no"), line("out", "a2 NO failed"), line("out", "-ERR x"), line("text", "Could not connect"), line("summary", "*** x INCOMPLETE-SESSION"), line("out", "250 ok")].map((l) => lookOf(l).tone)).toEqual(["err", "err", "err", "err", "err", ""]);
    expect(lookOf(line("summary", "*** <a> <b> 1 5 00:00:00 OK WTQ78139"))).toEqual({ look: "sum", tone: "okk" });
  });
  test("silence is named when it is long", () => {
    const lines = [line("in", "a", "2026-03-12T10:00:00.000Z"), line("out", "b", "2026-03-12T10:00:09.900Z"), line("in", "c", "2026-03-12T10:00:21.900Z")];
    expect(withSilence(lines).map((s) => s.silence)).toEqual([0, 0, 12]);
  });
  test("is copied as the logs write it", () => {
    expect(transcriptText([line("in", "EHLO x"), line("out", "250 y"), line("summary", "*** sum"), line("text", "Connected")])).toBe("10:31:14 <<< EHLO x\n10:31:14 >>> 250 y\n10:31:14 *** sum\n10:31:14 Connected\n");
    expect(bare(line("in", "<<< EHLO x"))).toBe("EHLO x");
  });
});

describe("span", () => {
  const now = Date.parse("2026-03-12T10:00:00Z");
  test("is read from the address; what is none is the usual one", () => {
    expect(readSpan(new URLSearchParams("span=24h"), "1h")).toEqual({ span: "24h", from: "", to: "" });
    expect(readSpan(new URLSearchParams("span=toString&from=x"), "1h")).toEqual({ span: "1h", from: "", to: "" });
    expect(isCustom(readSpan(new URLSearchParams("to=2026-03-12T10:00:00Z"), "1h"))).toBe(true);
  });
  test("becomes parameters", () => {
    expect(spanQuery({ span: "1h", from: "", to: "" }, now)).toEqual({ from: "2026-03-12T09:00:00.000Z" });
    expect(spanQuery({ span: "1h", from: "2026-03-01T00:00:00Z", to: "2026-03-02T00:00:00Z" }, now)).toEqual({ from: "2026-03-01T00:00:00.000Z", to: "2026-03-02T00:00:00.000Z" });
    expect(spanQuery({ span: "1h", from: "", to: "2026-03-02T00:00:00Z" }, now)).toEqual({ to: "2026-03-02T00:00:00.000Z" });
  });
  test("grows", () => {
    expect([longer("1h"), longer("30d")]).toEqual(["24h", undefined]);
  });
  test("moments as typed", () => {
    expect(typedMoment(parseMoment("2026-03-12 10:31") ?? "")).toBe("2026-03-12 10:31");
    expect(typedMoment(parseMoment("2026-03-12") ?? "")).toBe("2026-03-12 00:00");
    expect(["2026-06-31", "12.3.2026", "2026-03-12 25:00", ""].map(parseMoment)).toEqual([undefined, undefined, undefined, undefined]);
  });
});
