import { useState } from "react";
import { api } from "../../api/client";
import { useResource, type Resource } from "../../lib/resource";
import type { MessageDetail } from "./types";

/** A message that is on its way is read again every few seconds, one that has arrived now and then: a notice may follow. */
export function useMessage(id: string): Resource<MessageDetail> & { moving: boolean } {
  const [settled, setSettled] = useState("");
  const r = useResource<MessageDetail>(`message ${id}`, (signal) => api.get("/messages/{id}", { path: { id }, signal }), settled === id ? 60 : 4);
  const moving = !!r.data && ["accepted", "waiting", "mixed"].includes(r.data.status);
  const now = r.data && !moving ? id : "";
  if (now !== settled) setSettled(now);
  return { ...r, moving };
}
