// Actions that the server holds back for some seconds, so that they can be undone.
import { api } from "../api/client";
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
