// What is done with messages of the queue, from any of its screens. Actions on senders ask first, whose list is meant.
import { useState, type ReactNode } from "react";
import { api, ApiError } from "../../api/client";
import type { Operation } from "../../api/schema";
import { useText } from "../../i18n";
import { ended, undoable, undoSeconds } from "../../lib/operation";
import { toast } from "../../lib/toast";
import { failed } from "../../ui/States";
import { isSenderAct, takenBack, toldOf, type Act, type SenderAct } from "./actions";
import { SenderAction } from "./SenderAction";

export type Which = { ids: string[] } | { filter: Record<string, string | number> };

export function useActs(done: () => void): { act: (what: Act, which: Which, n: number) => void; dialog: ReactNode } {
  const t = useText();
  const [asked, setAsked] = useState<{ action: SenderAct; which: Which; n: number; error?: ApiError }>();
  const tell = async (operation: Operation, told?: string) => {
    const { failures: [failure], later } = await ended(operation);
    if (failure) toast(failure.detail, { bad: true });
    else if (later > 0) toast(t("queue.later", { n: later }));
    else if (told) toast(told);
    done();
  };
  /** Done when the server has taken it. */
  const start = async (what: Act, which: Which, n: number) => {
    const held = takenBack.includes(what.action);
    const operation = await api.post("/queue/{name}/messages/actions", { path: { name: "outgoing" }, body: { ...what, ...which, undo_seconds: held ? undoSeconds : 0 } });
    const told = toldOf(t, what.action, n, undoSeconds);
    if (held) undoable(operation, told, t, done);
    done();
    tell(operation, held ? undefined : told).catch((e: unknown) => { failed(e, t); });
  };
  const act = (what: Act, which: Which, n: number) => {
    if (n === 0) return;
    if (isSenderAct(what.action)) setAsked({ action: what.action, which, n });
    else start(what, which, n).catch((e: unknown) => { failed(e, t); });
  };
  const confirm = (owner: string) => {
    if (!asked) return;
    start({ action: asked.action, owner }, asked.which, asked.n).then(
      () => { setAsked(undefined); },
      (e: unknown) => { if (e instanceof ApiError) setAsked({ ...asked, error: e }); },
    );
  };
  const dialog = asked && <SenderAction action={asked.action} n={asked.n} error={asked.error} onClose={() => { setAsked(undefined); }} onConfirm={confirm} />;
  return { act, dialog };
}
