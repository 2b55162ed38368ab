// Actions that the server holds back for some seconds, so that they can be undone.
import { api } from "../api/client";
import type { Operation } from "../api/schema";
import type { Text } from "../i18n";
import { failed } from "../ui/States";
import { toast } from "./toast";

export const undoSeconds = 10;

/** Shows the toast with Undo for an operation that the server has taken. */
export function undoable(operation: { id: string; undo_until?: string | null }, text: string, t: Text, undone?: () => void): void {
  toast(text, {
    seconds: undoSeconds,
    undo: () => {
      api.post("/operations/{id}/undo", { path: { id: operation.id } }).then(
        () => {
          toast(t("undone"));
          undone?.();
        },
        (e: unknown) => { failed(e, t); },
      );
    },
  });
}

const look = 500;

/** How it ended: looked for from the end of its time to undo on. */
export async function ended(operation: Operation): Promise<Operation> {
  let now = operation;
  while (now.state === "pending" || now.state === "running") {
    const left = now.undo_until ? Date.parse(now.undo_until) - Date.now() : 0;
    await new Promise((done) => { setTimeout(done, Math.max(look, left)); });
    now = await api.get("/operations/{id}", { path: { id: operation.id } });
  }
  return now;
}
