// An account or a domain: its fields under edit, what the caller may do with it, and its end.
import { useState } from "react";
import type { Result } from "../../api/client";
import { useText } from "../../i18n";
import { useEditor } from "../../lib/editor";
import type { Values } from "../../lib/merge";
import { navigate } from "../../lib/router";
import { toast } from "../../lib/toast";
import { failed } from "../../ui/States";

export function useObject<V extends Values & { actions: readonly string[] }, K extends keyof V & string>(o: {
  id: string;
  /** Of the form; the others are only shown. */
  fields: readonly K[];
  read: () => Promise<Result<V>>;
  write: (changes: Partial<Pick<V, K>>, etag: string | undefined) => Promise<Result<V>>;
  remove: () => Promise<unknown>;
  /** Told when it is deleted. */
  removed: string;
  /** Where one goes then. */
  list: string;
}) {
  const t = useText();
  const [known, setKnown] = useState<{ id: string; of: V }>();
  const only = (r: Result<V>): Result<Pick<V, K>> => {
    setKnown({ id: o.id, of: r.data });
    return { ...r, data: Object.fromEntries(o.fields.map((f) => [f, r.data[f]])) as Pick<V, K> };
  };
  const edit = useEditor<Pick<V, K>>(o.id, async () => only(await o.read()), async (changes, etag) => only(await o.write(changes, etag)));
  /** As the server has it. */
  const stored = known?.id === o.id ? known.of : undefined;
  const may = (action: string) => stored?.actions.includes(action) ?? false;
  const remove = () => {
    o.remove().then(
      () => {
        toast(o.removed);
        navigate(o.list);
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return { edit, stored, may, remove };
}
