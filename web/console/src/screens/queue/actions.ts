// What may be done with messages of the queue, beside sending and deleting them.
import type { QueueMessage } from "../../api/schema";
import type { Text } from "../../i18n";
import type { MenuEntry } from "../../ui/MenuButton";

export type Level = QueueMessage["priority"];
export type Action = "send_now" | "hold" | "release" | "bounce" | "delete" | "priority" | "approve" | "reject" | SenderAct;
/** The senders go into a list. */
export type SenderAct = "deny_sender" | "allow_sender";
export interface Act {
  action: Action;
  priority?: Level;
  /** Whose list of senders. */
  owner?: string;
}
/** These can be taken back for some seconds. */
export const takenBack: readonly Action[] = ["delete", "bounce", "approve", "reject", "deny_sender", "allow_sender"];
export const levels: readonly Level[] = ["high", "normal", "low"];
/** Without a message at hand: all that is not a button beside the menu. */
export const inMenu: readonly string[] = ["hold", "release", "bounce", "priority"];
export const onSenders = ["deny_sender", "allow_sender"] as const;

export function isSenderAct(action: Action): action is SenderAct {
  return action === "deny_sender" || action === "allow_sender";
}

export function menuOf(t: Text, allowed: readonly string[], run: (act: Act) => void, now?: Level): MenuEntry[] {
  const entry = (action: "hold" | "release" | "bounce", icon: MenuEntry["icon"]): MenuEntry => ({ id: action, label: t(`queue.act.${action}`), ...(icon && { icon }), run: () => { run({ action }); } });
  return [
    ...(allowed.includes("hold") ? [entry("hold", "pause")] : []),
    ...(allowed.includes("release") ? [entry("release", "play")] : []),
    ...(allowed.includes("bounce") ? [entry("bounce", "bounce")] : []),
    ...(allowed.includes("priority") ? levels : []).map((priority) => ({ id: priority, label: t(`queue.act.priority.${priority}`), checked: priority === now, run: () => { run({ action: "priority", priority }); } })),
    ...onSenders.filter((a) => allowed.includes(a)).map((action) => ({ id: action, label: t(`queue.act.${action}`), icon: action === "deny_sender" ? "ban" as const : "okc" as const, run: () => { run({ action }); } })),
  ];
}

/** What is told when it is done, or begins. */
export function toldOf(t: Text, action: Action, n: number, s: number): string {
  if (action === "delete") return t("queue.deleted", { n, s });
  if (action === "bounce") return t("queue.bounced", { n, s });
  if (isSenderAct(action)) return t(`queue.did.${action}`, { n, s });
  if (action === "approve" || action === "reject") return t(`queue.did.${action}`, { n, s });
  if (action === "send_now") return t("queue.sent", { n });
  return t(`queue.did.${action}`, { n });
}
