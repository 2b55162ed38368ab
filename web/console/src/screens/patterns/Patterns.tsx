// Names for many addresses, [Name], for aliases of all domains; and which of them stand for an address.
import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Pattern } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { withField } from "../../lib/filterline";
import { useGoing } from "../../lib/going";
import { undoSeconds } from "../../lib/operation";
import type { PageOf } from "../../lib/paged";
import { useOpen, useParam } from "../../lib/router";
import { useRows } from "../../lib/rows";
import { asAddress, type FilterFields } from "../../lib/usefilter";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { EditPattern, NewPattern } from "./PatternForm";

const fields: FilterFields = { address: asAddress("address") };
const idOf = (p: Pattern) => p.name;

function patternColumns(t: Text, mayWrite: boolean, edit: (p: Pattern) => void, remove: (p: Pattern) => void): Column<Pattern>[] {
  const label = (p: Pattern) => t("filters.delete.of", { name: p.name });
  return [
    { id: "name", head: t("pattern.name"), size: 220, fixed: true, phone: "t", title: (p) => p.name, cell: (p) => <button type="button" className="lnk" translate="no" onClick={() => { edit(p); }}>{`[${p.name}]`}</button> },
    { id: "count", head: t("pattern.count"), size: 90, right: true, phone: "r", className: "num t2", cell: (p) => new Intl.NumberFormat(t.locale).format(p.items.length) },
    { id: "items", head: t("pattern.items"), phone: "m", className: "t2", title: (p) => p.items.slice(0, 50).join("\n"), cell: (p) => <Raw>{p.items.slice(0, 20).join(", ")}</Raw> },
    {
      id: "actions",
      head: t("audit.actions"),
      quiet: true,
      size: 60,
      right: true,
      phone: "s",
      cell: (p) => mayWrite && <button type="button" className="ib sm" aria-label={label(p)} title={label(p)} onClick={() => { remove(p); }}><Icon name="trash" small /></button>,
    },
  ];
}

/** Written into the filter line, so that the answer has an address that can be sent to others. */
function AddressTest({ value, onTest }: { value: string; onTest: (address: string) => void }) {
  const t = useText();
  const [text, setText] = useState(value);
  const whole = /^[^\s@]+@[^\s@]+$/.test(text.trim());
  return (
    <form className="row" onSubmit={(e) => { e.preventDefault(); onTest(text.trim()); }}>
      <label className="field">
        <span className="lb">{t("pattern.test.address")}</span>
        <input value={text} onChange={(e) => { setText(e.target.value); }} placeholder="info@example.org" size={22} aria-label={t("pattern.test.label")} autoComplete="off" spellCheck={false} translate="no" />
      </label>
      <button type="submit" className="btn" disabled={!whole}>{t("rule.test")}</button>
    </form>
  );
}

export default function Patterns() {
  const t = useText();
  const mayWrite = useMay("settings:write");
  const [dialog, setDialog] = useParam("dialog");
  const [open, setOpen] = useOpen();
  const { list: all, filter, found, text, setText } = useRows<Pattern>({
    key: "patterns",
    fields,
    limit: 200,
    read: (query, signal) => api.get("/patterns", { query, signal }) as Promise<PageOf<Pattern>>,
    idOf,
  });
  const { refresh } = all;
  const { list, go } = useGoing(all, idOf);
  const edit = useCallback((p: Pattern) => { setOpen(p.name); }, [setOpen]);
  const remove = useCallback((p: Pattern) => {
    go(p, t("pattern.deleted", { name: p.name, s: undoSeconds }), () => api.delete("/patterns/{pattern}", { path: { pattern: p.name } }));
  }, [go, t]);
  const columns = useMemo(() => patternColumns(t, mayWrite, edit, remove), [t, mayWrite, edit, remove]);
  const asked = filter.params["address"];
  const address = typeof asked === "string" ? asked : "";
  const shown = list.items?.find((p) => p.name === open);
  const start = () => { setDialog("new"); };
  const n = list.total ?? 0;
  return (
    <>
      <ListScreen
        name="patterns"
        title={t("nav.patterns")}
        actions={mayWrite && <button type="button" className="btn pri" onClick={start}><Icon name="plus" />{t("pattern.new")}</button>}
        filter={{ label: t("pattern.filter"), placeholder: t("pattern.filter.hint"), fields }}
        controls={<AddressTest key={address} value={address} onTest={(to) => { setText(withField(text, "address", to, Object.keys(fields))); }} />}
        list={list}
        counted
        columns={columns}
        idOf={idOf}
        onOpen={edit}
        state={{
          filter: { ...found, ...(address && { none: t("pattern.none", { address }) }) },
          nothing: { icon: "list", title: t("pattern.empty"), children: <><p>{t("pattern.empty.sub")}</p>{mayWrite && <button type="button" className="btn" onClick={start}>{t("pattern.new")}</button>}</> },
        }}
        foot={<span role="status">{address ? t.rich("pattern.fits", { n, address: <Raw>{address}</Raw> }) : t("pattern.total", { n })}</span>}
      />
      {dialog === "new" && mayWrite && <NewPattern onClose={() => { setDialog("", true); }} onDone={refresh} />}
      {shown && <EditPattern key={shown.name} pattern={shown} onClose={() => { setOpen(""); }} onDone={refresh} />}
    </>
  );
}
