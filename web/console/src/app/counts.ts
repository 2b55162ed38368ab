// Counters of waiting work in the left bar.
import { useState } from "react";
import { api } from "../api/client";
import { useTopic } from "../api/live";
import { useResource } from "../lib/resource";
import { useMay } from "./me";

export interface Counts {
  queue?: number;
  sessions?: number;
  /** Posts for moderators. */
  moderation?: number;
}

export function useCounts(): Counts {
  const queue = useMay("queue:read");
  const sessions = useMay("sessions:read");
  const [live, setLive] = useState<Counts>({});
  const waiting = useResource(queue ? "count queue" : "", (signal) => api.get("/queue/{name}", { path: { name: "outgoing" }, signal }), 30);
  const posts = useResource(queue ? "count posts" : "", (signal) => api.get("/queue/{name}/messages", { path: { name: "outgoing" }, query: { state: "moderation", limit: 1 }, signal }), 30);
  const connected = useResource(sessions ? "count sessions" : "", (signal) => api.get("/sessions", { query: { limit: 1 }, signal }), 30);
  const listen = (name: keyof Counts) => (e: { type: string; data: unknown }) => {
    const total = (e.data as { total?: unknown }).total;
    if (typeof total === "number") setLive((old) => ({ ...old, [name]: total }));
  };
  useTopic(queue ? "queue.outgoing" : "", listen("queue"));
  useTopic(sessions ? "sessions" : "", listen("sessions"));
  const counts: Counts = {};
  const q = live.queue ?? waiting.data?.messages;
  const m = posts.data?.total.value;
  const s = live.sessions ?? connected.data?.total.value;
  if (q !== undefined) counts.queue = q;
  if (s !== undefined) counts.sessions = s;
  if (m !== undefined) counts.moderation = m;
  return counts;
}
