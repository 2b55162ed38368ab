import { describe, expect, test } from "vitest";
import { actionText, actionsFor, levelOf, withAction } from "../src/lib/ruleaction";

describe("actions of a rule", () => {
  test("whose they are", () => {
    expect([levelOf(""), levelOf(" server "), levelOf("a.test"), levelOf("u@a.test")]).toEqual(["server", "server", "domain", "account"]);
    expect(actionsFor("server")).toContain("command");
    expect(actionsFor("domain")).not.toContain("command");
    expect(actionsFor("domain")).toEqual(expect.arrayContaining(["move", "respond", "deny-sender"]));
    expect(actionsFor("account")).toEqual(expect.arrayContaining(["move", "respond"]));
    expect(actionsFor("account")).not.toContain("deny-sender");
  });
  test("their text", () => {
    expect(actionText("move", { folder: 'a "b" \\c' })).toBe('move "a \\"b\\" \\\\c"');
    expect(actionText("move", {})).toBeUndefined();
    expect(actionText("respond", { reply: "gone" })).toBe('respond "gone"');
    expect(actionText("respond", { reply: "gone", subject: "Away", days: "7" })).toBe('respond "gone" subject "Away" days 7');
    expect(actionText("set-header", { header: "X-A", text: "b" })).toBe('set-header "X-A" "b"');
    expect(actionText("score", { score: "-1.5" })).toBe("score -1.5");
    expect(actionText("reject", {})).toBe("reject");
    expect(actionText("deny-sender", {})).toBe("deny-sender");
  });
  test("their place", () => {
    expect(withAction("", "stop")).toBe('rule "new"\n  then stop\n');
    expect(withAction('rule "a" then', "stop")).toBe('rule "a" then stop\n');
    expect(withAction('rule "a" then score 1\n', 'move "x"')).toBe('rule "a" then score 1, move "x"\n');
    expect(withAction('rule "a" then score 1 # why', "stop")).toBe('rule "a" then score 1 # why\n  , stop\n');
    expect(withAction('rule "a" then deny-sender, reject "no, \\"x\\""', "tarpit 5")).toBe('rule "a" then deny-sender, tarpit 5, reject "no, \\"x\\""\n');
    expect(withAction('rule "a"\n  then delete\n', 'reject "no"')).toBe('rule "a"\n  then reject "no"\n');
  });
});
