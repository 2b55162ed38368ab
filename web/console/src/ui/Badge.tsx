import type { ReactNode } from "react";
import { Icon } from "./Icon";
import type { IconName } from "./icons";

export type Tone = "ok" | "warn" | "bad" | "gone" | "note" | "hold" | "idle" | "line" | "plain";

/** A status has a word and a sign: colour is never alone. */
export function Badge({ tone = "idle", icon, children, title }: { tone?: Tone; icon?: IconName; children: ReactNode; title?: string }) {
  return (
    <span className={`b ${tone}`} title={title}>
      {icon && <Icon name={icon} />}
      {children}
    </span>
  );
}
