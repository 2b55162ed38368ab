import { api } from "../../api/client";
import { useResource, type Resource } from "../../lib/resource";
import type { MessageDetail } from "./types";

/** A message that is still on its way is read again by itself. */
export function useMessage(id: string, known?: string): Resource<MessageDetail> & { moving: boolean } {
  const last = useResource<MessageDetail>(`message ${id}`, (signal) => api.get("/messages/{id}", { path: { id }, signal }), 5);
  const moving = ["accepted", "waiting", "mixed"].includes(last.data?.status ?? known ?? "");
  return { ...last, moving };
}
