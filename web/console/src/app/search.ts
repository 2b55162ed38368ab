import { useEffect, useState } from "react";
import { api } from "../api/client";
import type { SearchHit } from "../api/schema";
import { hostAddress, hostText, ipAddress, ipText, messageAddress, sessionAddress, settingAddress } from "../lib/places";
import type { IconName } from "../ui/icons";

export interface Found {
  kind: SearchHit["type"] | "ip" | "host";
  icon: IconName;
  title: string;
  detail: string;
  to: string;
}

/** What is known by its looks alone. */
export function knownByLooks(text: string): Found[] {
  const q = text.trim();
  if (ipText.test(q)) return [{ kind: "ip", icon: "globe", title: q, detail: "", to: ipAddress(q) }];
  return hostText.test(q) ? [{ kind: "host", icon: "globe", title: q.toLowerCase(), detail: "", to: hostAddress(q.toLowerCase()) }] : [];
}

const icons: Record<SearchHit["type"], IconName> = { message: "mail", account: "user", domain: "at", session: "sessions", setting: "gear" };

/** Where a hit is shown. */
export function addressOfHit(hit: Pick<SearchHit, "type" | "id">): string {
  const id = encodeURIComponent(hit.id);
  switch (hit.type) {
    case "message":
      return messageAddress(hit.id);
    case "account":
      return `/accounts/${id}`;
    case "domain":
      return `/domains/${id}`;
    case "session":
      return sessionAddress(hit.id);
    case "setting":
      return settingAddress(hit.id);
  }
}

/** What the server finds, 120 ms after the last key; what was found before stays until then. */
export function useFound(text: string): readonly Found[] {
  const [found, setFound] = useState<readonly Found[]>([]);
  const q = text.trim();
  useEffect(() => {
    if (!q) {
      setFound([]);
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api.get("/search", { query: { q, limit: 6 }, signal: stop.signal }).then(
        (r) => { setFound(r.items.map((h) => ({ kind: h.type, icon: icons[h.type], title: h.title, detail: h.detail, to: addressOfHit(h) }))); },
        () => undefined,
      );
    }, 120);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [q]);
  return found;
}
