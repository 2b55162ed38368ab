import { useId, type ReactNode } from "react";
import { useText } from "../../i18n";
import type { Resource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { ErrorNote, Skeleton } from "../../ui/States";

/** A part of an entity's page: the newest rows of a list, and the way to all of them. */
export function Part<T>({ title, all, list, empty, row }: {
  title: string;
  all: string;
  list: Omit<Resource<{ items: readonly T[] }>, "update">;
  empty: string;
  row: (item: T) => ReactNode;
}) {
  const t = useText();
  const id = useId();
  const items = list.data?.items ?? [];
  return (
    <section className="card" aria-labelledby={id}>
      <header><h2 id={id}>{title}</h2><span className="grow" /><Link to={all}>{t("all")}</Link></header>
      <div className="bd">
        {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
        {!list.data && !list.error && <Skeleton rows={3} />}
        {list.data && items.length === 0 && <p className="t3">{empty}</p>}
        {items.length > 0 && <table className="mini part" aria-label={title}><tbody>{items.map(row)}</tbody></table>}
      </div>
    </section>
  );
}
