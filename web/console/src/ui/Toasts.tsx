import { useEffect, useState } from "react";
import { useText } from "../i18n";
import { visible } from "../lib/bidi";
import { dismiss, useToasts, type Toast } from "../lib/toast";
import { Icon } from "./Icon";

function Left({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => { setNow(Date.now()); }, 500);
    return () => { clearInterval(timer); };
  }, []);
  return <span aria-hidden="true" className="num">{Math.max(0, Math.ceil((until - now) / 1000))}</span>;
}

function One({ toast }: { toast: Toast }) {
  const t = useText();
  return (
    <div className={`toast ${toast.bad ? "bad" : ""}`}>
      {toast.bad && <Icon name="alert" />}
      <span translate={toast.bad ? "no" : undefined} dir="auto">{visible(toast.text)}</span>
      {toast.undo && toast.until && (
        <button type="button" onClick={() => { dismiss(toast.id); toast.undo?.(); }}>
          {t("undo")} <Left until={toast.until} />
        </button>
      )}
      {!toast.undo && <button type="button" aria-label={t("close")} onClick={() => { dismiss(toast.id); }}><Icon name="x" small /></button>}
    </div>
  );
}

export function Toasts() {
  const list = useToasts();
  const t = useText();
  return (
    <section className="toasts" aria-label={t("notices")}>
      <div role="status" aria-live="polite">{list.filter((x) => !x.bad).map((x) => <One key={x.id} toast={x} />)}</div>
      <div role="alert">{list.filter((x) => x.bad).map((x) => <One key={x.id} toast={x} />)}</div>
    </section>
  );
}
