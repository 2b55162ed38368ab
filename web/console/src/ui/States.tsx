// What stands where rows would stand: loading, nothing, an error. A spinner is never alone.
import { useEffect, useState, type ReactNode } from "react";
import type { ApiError } from "../api/client";
import { useText, type Text } from "../i18n";
import { visible } from "../lib/bidi";
import { copyText } from "../lib/clipboard";
import { toast } from "../lib/toast";
import { Icon } from "./Icon";
import type { IconName } from "./icons";

export function Skeleton({ rows = 8, onCancel }: { rows?: number; onCancel?: () => void }) {
  const t = useText();
  const [waited, setWaited] = useState(0);
  useEffect(() => {
    const timers = [4, 15].map((s) => setTimeout(() => { setWaited(s); }, s * 1000));
    return () => { timers.forEach(clearTimeout); };
  }, []);
  return (
    <div className="skel" aria-busy="true" role="status">
      <span className="sr">{t("loading")}</span>
      {Array.from({ length: rows }, (_, i) => <div key={i} className="skel-row" aria-hidden="true"><i /></div>)}
      {waited >= 4 && <p className="t3">{t("loading.still")}</p>}
      {waited >= 15 && onCancel && <button type="button" className="btn sm" onClick={onCancel}>{t("cancel")}</button>}
    </div>
  );
}

export function Empty({ icon = "okc", title, children }: { icon?: IconName; title: ReactNode; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <p className="strong">{title}</p>
      {children && <div className="t2">{children}</div>}
    </div>
  );
}

/** The sentence for people: what the server said, or what we know ourselves. */
export function problemText(error: ApiError, t: Text): string {
  if (error.problem.code === "offline") return t("error.offline");
  return visible(error.problem.detail || error.problem.title || t("error.status", { status: error.status }));
}

export function failed(error: unknown, t: Text): void {
  const e = error as ApiError;
  toast("problem" in e ? problemText(e, t) : String(error), { bad: true });
}

function Countdown({ to }: { to: number }) {
  const t = useText();
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => { setNow(Date.now()); }, 1000);
    return () => { clearInterval(timer); };
  }, []);
  return <span className="t2 num">{t("error.again", { s: Math.max(0, Math.ceil((to - now) / 1000)) })}</span>;
}

/** Old data stays visible below; this says what failed and what happens next. */
export function ErrorNote({ error, retryAt, onRetry }: { error: ApiError; retryAt?: number | undefined; onRetry?: () => void }) {
  const t = useText();
  const id = error.problem.request_id;
  return (
    <div className="call bad" role="alert">
      <Icon name="alert" />
      <div className="grow">
        <b className="strong" translate={error.problem.code === "offline" ? undefined : "no"}>{problemText(error, t)}</b>
        {retryAt && <> <Countdown to={retryAt} /></>}
        {id && (
          <div className="t3">
            {t.rich("error.request", { id: <span className="mono" translate="no">{id}</span> })}{" "}
            <button type="button" className="ib sm" aria-label={t("error.copyid")} onClick={() => void copyText(id)}><Icon name="copy" small /></button>
          </div>
        )}
      </div>
      {onRetry && <button type="button" className="btn sm" onClick={onRetry}>{t("error.retry")}</button>}
    </div>
  );
}
