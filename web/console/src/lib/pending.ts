// Actions that cannot be taken back once done, and that the server does not hold: they wait here for the time of Undo. Leaving
// the page or signing out does them at once: what was ordered is never forgotten.
import type { Text } from "../i18n";
import { failed } from "../ui/States";
import { undoSeconds } from "./operation";
import { toast } from "./toast";

const waiting = new Set<() => Promise<void>>();

/** All that waits is done now; resolves when the server has answered. */
export async function doPending(): Promise<void> {
  await Promise.all([...waiting].map((run) => run()));
}
if (typeof addEventListener === "function") addEventListener("pagehide", () => void doPending());

/** Does `act` after the time of Undo. `done` is told how it ended; `undone` that it was taken back. */
export function later(text: string, act: () => Promise<unknown>, t: Text, then: { done: () => void; undone: () => void }): void {
  const run = async () => {
    clearTimeout(timer);
    if (!waiting.delete(run)) return;
    try {
      await act();
    } catch (e) {
      failed(e, t);
    }
    then.done();
  };
  const timer = setTimeout(() => void run(), undoSeconds * 1000);
  waiting.add(run);
  toast(text, {
    seconds: undoSeconds,
    undo: () => {
      clearTimeout(timer);
      if (waiting.delete(run)) then.undone();
    },
  });
}
