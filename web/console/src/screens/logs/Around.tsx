// The lines around one line, whatever the filter: ?around= in the address is the line's place.
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import { useText } from "../../i18n";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { addressWith, navigate } from "../../lib/router";
import { Icon } from "../../ui/Icon";
import { ListState } from "../../ui/ListState";
import { PageHead } from "../../ui/Page";
import { logLabel } from "./names";
import { Rows, saveLines, useRows } from "./Rows";

const most = 500;

export function Around({ service, at, words }: { service: string; at: string; words: readonly string[] }) {
  const t = useText();
  const [n, setN] = useState(20);
  const page = useResource(`around ${service} ${at} ${n}`, (signal) => api.get("/logs/{service}/lines", { path: { service }, query: { around: at, before: n, after: n, limit: 2 * most + 1 }, signal }));
  const lines = page.data?.items ?? [];
  const rows = useRows(lines);
  const { setCurrent, virtualizer } = rows;
  const hit = lines.findIndex((l) => l.at === at);
  useEffect(() => {
    if (hit < 0) return;
    setCurrent(hit);
    virtualizer.scrollToIndex(hit, { align: "center" });
  }, [hit, lines.length, setCurrent, virtualizer]);
  const back = () => { navigate(addressWith({ around: "" })); };
  useKeys({
    Escape: back,
    j: () => { rows.move(1); },
    k: () => { rows.move(-1); },
    Enter: () => { const l = lines[rows.current]; if (l) navigate(addressWith({ around: l.at })); },
  });
  const time = lines[hit]?.time ?? "";
  return (
    <>
      <PageHead title={t("nav.logs")}>
        <button type="button" className="btn" disabled={!lines.length} onClick={() => { saveLines(`posthorn-${service}-around.txt`, lines); }}><Icon name="download" />{t("logs.save")}</button>
      </PageHead>
      <div className="bar line">
        <span className="strong" role="status">{time ? t("logs.around.of", { log: logLabel(service, t), time }) : t("logs.around")}</span>
        <span className="grow" />
        <button type="button" className="btn" disabled={n >= most || !page.data} onClick={() => { setN(Math.min(most, n * 4)); }}><Icon name="plus" />{t("logs.around.more")}</button>
        <button type="button" className="btn" onClick={back}><Icon name="left" />{t("logs.around.back")}</button>
      </div>
      <Rows rows={rows} wrap={false} words={words} label={t("logs.lines")} onThread={(l) => { if (l.session) navigate(addressWith({ around: "", q: l.session })); }} onAround={(l) => { navigate(addressWith({ around: l.at })); }}>
        <ListState list={{ items: page.data ? lines : undefined, loading: page.loading, error: page.error, retryAt: page.retryAt, refresh: page.refresh }} nothing={{ icon: "logs", title: t("logs.around.gone") }} />
      </Rows>
      <div className="foot"><span>{t("logs.count", { n: lines.length })}</span><span className="grow" /><span className="deskonly"><kbd>Esc</kbd> {t("logs.around.back")}</span></div>
    </>
  );
}
