// The screen of what is stored, of a span: messages, ended sessions, events. Searched by the server from the newest on; what is
// new comes by itself until it is held.
import { useCallback, useMemo, type ReactNode } from "react";
import { useLiveState } from "../api/live";
import { useText, type Key } from "../i18n";
import { withField } from "../lib/filterline";
import { useKeys } from "../lib/keys";
import type { Paged, PageOf } from "../lib/paged";
import type { Span } from "../lib/span";
import { useStoredList, type StoredQuery } from "../lib/stored";
import type { FilterFields } from "../lib/usefilter";
import type { IconName } from "./icons";
import { Choice, HoldButton, KeyHint, ListScreen } from "./ListScreen";
import { LiveBadge } from "./Page";
import { SpanField } from "./SpanField";
import type { Column } from "./table/columns";

/** A choice beside the filter line, which it writes into. */
export interface FieldChoice {
  field: string;
  label: string;
  options: readonly { id: string; label: string }[];
}

export interface StoredScreenProps<T extends object> {
  /** Of the layout that the reader chose. */
  name: string;
  /** Of what is read. */
  source: string;
  title: string;
  label?: string;
  fields: FilterFields;
  usual: Span;
  read: (query: StoredQuery & Record<string, string | number>, signal: AbortSignal) => Promise<PageOf<T>>;
  idOf: (row: T) => string;
  /** Tells that something has come; without it the list looks by itself. */
  topic?: string;
  /** What is there is looked at once: each look is recorded. */
  still?: boolean;
  /** What its rows are called, in the foot. */
  counted: { searching: Key; more: Key; all: Key };
  tabs?: ReactNode;
  /** Beside the button that holds the list. */
  actions?: (list: Paged<T>) => ReactNode;
  filter: { label: string; placeholder: string; none?: string };
  choices: readonly FieldChoice[];
  columns: (open: (row: T) => void) => Column<T>[];
  nothing: { icon: IconName; title: string };
  /** What is said when events are not recorded, or when another setting is off. */
  off: string | { setting: string; title: string };
  foot?: ReactNode;
  drawer: (o: { id: string; row: T | undefined; close: () => void; refresh: () => void }) => ReactNode;
}

function Live({ held }: { held: boolean }) {
  return <LiveBadge {...useLiveState(held)} />;
}

export function StoredScreen<T extends object>(p: StoredScreenProps<T>) {
  const t = useText();
  const { columns: columnsOf, idOf, topic } = p;
  const s = useStoredList<T>({ key: p.source, fields: p.fields, usual: p.usual, read: p.read, idOf, ...(topic && { topic }), ...(p.still && { still: true }) });
  const { list, filter, choice, searching, held, setHeld, open, setOpen, text, setText, shown } = s;
  const openRow = useCallback((row: T) => { setOpen(idOf(row)); }, [idOf, setOpen]);
  const columns = useMemo(() => columnsOf(openRow), [columnsOf, openRow]);
  useKeys({ ".": () => { setHeld(!held); } });
  const chosen = (c: FieldChoice) => {
    const written = new RegExp(`(?:^|\\s)${c.field}:(\\S+)`).exec(text)?.[1] ?? "";
    return c.options.some((o) => o.id === written) ? written : "";
  };
  const n = list.items?.length ?? 0;
  return (
    <ListScreen
      name={p.name}
      title={p.title}
      {...(p.label && { label: p.label })}
      live={topic && !choice.to && <Live held={held} />}
      actions={<>{!p.still && <HoldButton held={held} onHold={setHeld} className={p.actions ? "deskonly" : ""} />}{p.actions?.(list)}</>}
      tabs={p.tabs}
      filter={{ ...p.filter, fields: p.fields }}
      controls={p.choices.map((c) => <Choice key={c.field} label={c.label} value={chosen(c)} options={c.options} onChange={(id) => { setText(withField(text, c.field, id, Object.keys(p.fields))); }} />)}
      below={<div className="bar line spanbar"><SpanField choice={choice} usual={p.usual} /></div>}
      list={list}
      columns={columns}
      idOf={idOf}
      openId={open}
      onOpen={openRow}
      state={{
        searching,
        filter: { text: filter.text, onReset: () => { setText(""); }, ...(p.filter.none && { none: p.filter.none }) },
        span: choice,
        nothing: p.nothing,
        off: typeof p.off === "string" ? { setting: "events.enabled", title: p.off } : p.off,
      }}
      foot={<><span role="status">{t(searching ? p.counted.searching : list.more ? p.counted.more : p.counted.all, { n })}</span>{p.foot}</>}
      keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["↵"]}>{t("keys.open")}</KeyHint><KeyHint keys={["f"]}>{t("keys.filter")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
      drawer={open && p.drawer({ id: open, row: shown, close: () => { setOpen(""); }, refresh: list.refresh })}
    />
  );
}
