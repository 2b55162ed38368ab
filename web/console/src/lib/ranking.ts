// Who stands out among the messages of a span. Pure.
import type { Message } from "../api/schema";

export type Counted = Pick<Message, "sender" | "recipients" | "recipients_total" | "peer" | "account" | "direction" | "status">;
export interface Rank {
  name: string;
  n: number;
}
export interface Rankings {
  senders: Rank[];
  recipients: Rank[];
  /** Recipients' domains with messages that wait or have failed. */
  failed: Rank[];
  /** Addresses of clients with refused messages. */
  refused: Rank[];
}

const failing = new Set<string>(["waiting", "mixed", "bounced"]);

function top(counts: ReadonlyMap<string, number>, most: number): Rank[] {
  return [...counts].map(([name, n]) => ({ name, n })).sort((a, b) => b.n - a.n || (a.name < b.name ? -1 : 1)).slice(0, most);
}

/** The `most` of each kind. A message counts once for its sender, once for each of its (first 20) recipients and their domains. */
export function rankingsOf(messages: readonly Counted[], most: number): Rankings {
  const senders = new Map<string, number>();
  const recipients = new Map<string, number>();
  const failed = new Map<string, number>();
  const refused = new Map<string, number>();
  const add = (to: Map<string, number>, name: string) => { if (name) to.set(name, (to.get(name) ?? 0) + 1); };
  for (const m of messages) {
    if (m.status === "refused") {
      // An address of which a reader sees a part only is none.
      if (!m.peer.includes("*")) add(refused, m.peer);
      continue;
    }
    add(senders, m.account || m.sender);
    for (const r of m.recipients) add(recipients, r);
    if (failing.has(m.status)) for (const domain of new Set(m.recipients.map((r) => r.slice(r.lastIndexOf("@") + 1).toLowerCase()))) add(failed, domain);
  }
  return { senders: top(senders, most), recipients: top(recipients, most), failed: top(failed, most), refused: top(refused, most) };
}
