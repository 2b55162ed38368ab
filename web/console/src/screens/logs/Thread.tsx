// One session, or one text such as a message's id, in all logs of a day, by time.
import { api } from "../../api/client";
import { useText } from "../../i18n";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { addressWith, Link, navigate } from "../../lib/router";
import { Icon } from "../../ui/Icon";
import { ListState } from "../../ui/ListState";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { logLabel } from "./names";
import { Rows, saveLines, useRows } from "./Rows";

const session = /^(?:[0-9A-F]{4}|[0-9A-F]{8}|[0-9A-F]{16})$/i;

export function Thread({ of, date }: { of: string; date: string }) {
  const t = useText();
  const r = useResource(`thread ${of} ${date}`, (signal) => api.get("/logs/thread", { query: { ...(session.test(of) ? { session: of } : { text: of }), ...(date && { date }) }, signal }));
  const lines = r.data?.items ?? [];
  const rows = useRows(lines);
  const back = () => { navigate(addressWith({ thread: "" })); };
  useKeys({ Escape: back, r: r.refresh, j: () => { rows.move(1); }, k: () => { rows.move(-1); } });
  const logs = new Set(lines.map((l) => l.log));
  return (
    <>
      <PageHead title={t("nav.logs")}>
        <button type="button" className="btn" disabled={!lines.length} onClick={() => { saveLines(`posthorn-${of}.txt`, lines); }}><Icon name="download" />{t("logs.save")}</button>
      </PageHead>
      <div className="bar line">
        <span className="strong" role="status">{t.rich("logs.everywhere.of", { what: <Raw mono>{of}</Raw> })}</span>
        <span className="grow" />
        <button type="button" className="btn" onClick={back}><Icon name="left" />{t("logs.everywhere.back")}</button>
      </div>
      {r.data?.cut && <div className="page-note"><div className="call warn"><Icon name="info" /><div className="grow">{t("logs.everywhere.cut")}</div></div></div>}
      <Rows
        rows={rows}
        wrap={false}
        words={session.test(of) ? [] : [of]}
        label={t("logs.lines")}
        sourceOf={(l) => <Link to={`/status/logs/${l.log}?q=${encodeURIComponent(of)}${date ? `&date=${date}` : ""}`} tabIndex={-1} title={l.source ?? ""}>{logLabel(l.log, t)}</Link>}
        onThread={(l) => { if (l.session) navigate(addressWith({ thread: l.session })); }}
        onAround={(l) => { navigate(`/status/logs/${l.log}?around=${encodeURIComponent(l.at)}&q=${encodeURIComponent(of)}${date ? `&date=${date}` : ""}`); }}
      >
        <ListState list={{ items: r.data ? lines : undefined, loading: r.loading, error: r.error, retryAt: r.retryAt, refresh: r.refresh }} nothing={{ icon: "logs", title: t("logs.everywhere.none") }} />
      </Rows>
      <div className="foot"><span>{t("logs.everywhere.count", { n: lines.length, logs: logs.size })}</span><span className="grow" /><span className="deskonly"><kbd>Esc</kbd> {t("logs.everywhere.back")}</span></div>
    </>
  );
}
