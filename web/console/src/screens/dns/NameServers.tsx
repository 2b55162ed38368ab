// Test of the name servers: question by question, so that it ends when it is stopped or this page is left.
import { useEffect, useRef, useState } from "react";
import { api, ApiError } from "../../api/client";
import type { DnsTestResult } from "../../api/schema";
import { useText } from "../../i18n";
import { Badge } from "../../ui/Badge";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";

const mostRounds = 100;
type State = "idle" | "running" | "stopped" | "done";

function Results({ rows }: { rows: readonly DnsTestResult[] }) {
  const t = useText();
  return (
    <div className="preview" tabIndex={0} role="region" aria-label={t("dns.results")}>
      <table className="mini">
        <thead><tr><th className="num">{t("dns.round")}</th><th>{t("dns.server")}</th><th>{t("dns.result")}</th><th>DNSSEC</th><th className="num">{t("dns.took")}</th></tr></thead>
        <tbody>
          {rows.map((r) => (
            <tr key={`${r.round} ${r.server}`}>
              <td className="num">{r.round}</td>
              <td><Raw mono>{r.server}</Raw></td>
              <td><Badge tone={r.passed ? "ok" : "bad"} icon={r.passed ? "check" : "alert"}><span translate="no">{r.status}</span></Badge> {r.text && <Raw className="t2">{r.text}</Raw>}</td>
              <td><Raw>{r.dnssec || "—"}</Raw></td>
              <td className="num">{r.took_ms} ms</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export default function NameServers() {
  const t = useText();
  const [rounds, setRounds] = useState("2");
  const [timeout, setTimeoutText] = useState("");
  const [name, setName] = useState("");
  const [rows, setRows] = useState<readonly DnsTestResult[]>([]);
  const [total, setTotal] = useState(0);
  const [state, setState] = useState<State>("idle");
  const [error, setError] = useState<ApiError>();
  const run = useRef<AbortController>(undefined);
  useEffect(() => () => { run.current?.abort(); }, []);

  const test = async () => {
    const mine = new AbortController();
    run.current = mine;
    setRows([]);
    setTotal(0);
    setError(undefined);
    setState("running");
    const asked = { rounds: Number(rounds), ...(timeout.trim() && { timeout: timeout.trim() }), ...(name.trim() && { name: name.trim() }) };
    try {
      for (let from: number | null = 0; from !== null;) {
        const r: Awaited<ReturnType<typeof ask>> = await ask({ ...asked, from }, mine.signal);
        if (mine.signal.aborted) return;
        setTotal(r.total);
        setRows((old) => [...old, r.result]);
        from = r.next;
      }
      setState("done");
    } catch (e) {
      if (mine.signal.aborted) return;
      setState("idle");
      if (!(e instanceof ApiError)) throw e;
      setError(e);
    }
  };
  const stop = () => {
    run.current?.abort();
    setState("stopped");
  };
  const fault = (field: string) => error?.problem.fields?.find((f) => f.name === field)?.detail;
  const running = state === "running";
  const n = Number(rounds);
  const told = ["rounds", "timeout", "name"].some(fault);
  return (
    <>
      <PageHead title={t("nav.dns")} />
      <div className="pad">
        <form className="form" onSubmit={(e) => { e.preventDefault(); void test(); }}>
          <p className="t2">{t("dns.text")}</p>
          {error && !told && <ErrorNote error={error} />}
          <div className="two">
            <Field label={t("dns.rounds")} hint={t("dns.rounds.hint", { n: mostRounds })} error={fault("rounds")} type="number" min={1} max={mostRounds} required value={rounds} onChange={(e) => { setRounds(e.target.value); }} />
            <Field label={t("dns.timeout")} hint={t("dns.timeout.hint")} error={fault("timeout")} value={timeout} onChange={(e) => { setTimeoutText(e.target.value); }} autoComplete="off" spellCheck={false} />
            <Field label={t("dns.name")} hint={t("dns.name.hint")} error={fault("name")} value={name} onChange={(e) => { setName(e.target.value); }} autoComplete="off" spellCheck={false} />
          </div>
          <div className="acts-row">
            <button type="button" className="btn" disabled={!running} onClick={stop}><Icon name="stop" /> {t("dns.stop")}</button>
            <button type="submit" className="btn pri" disabled={running || !Number.isInteger(n) || n < 1 || n > mostRounds}><Icon name="play" /> {t("dns.test")}</button>
          </div>
        </form>
        <p role="status">{state !== "idle" && (state !== "running" || total > 0) && t(`dns.${state}`, { done: rows.length, total })}</p>
        {rows.length > 0 && <Results rows={rows} />}
      </div>
    </>
  );
}

function ask(body: { rounds: number; from: number; timeout?: string; name?: string }, signal: AbortSignal) {
  return api.post("/dns/test", { body, signal });
}
