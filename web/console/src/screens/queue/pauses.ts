// What is not sent until somebody resumes it.
import { api } from "../../api/client";
import { useText } from "../../i18n";
import { useResource } from "../../lib/resource";
import { toast } from "../../lib/toast";
import { failed } from "../../ui/States";

const path = { name: "outgoing" };

/** `id` is "all", "destination:example.org" or "sender:example.org". */
export function usePauses(changed?: () => void) {
  const t = useText();
  const list = useResource("queue pauses", (signal) => api.get("/queue/{name}/pauses", { path, query: { limit: 1000 }, signal }), 10);
  const set = (id: string, on: boolean) => {
    const call = { path: { ...path, id } };
    (on ? api.put("/queue/{name}/pauses/{id}", call) : api.delete("/queue/{name}/pauses/{id}", call)).then(
      () => {
        toast(on ? t("queue.paused") : t("queue.resumed"));
        list.refresh();
        changed?.();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return { pauses: list.data?.items ?? [], set };
}
