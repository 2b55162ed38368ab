// Would this address get in, and which list says so?
import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { AccessRule, AccessTest as Answer } from "../../api/schema";
import { useText } from "../../i18n";
import { settingAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { Badge } from "../../ui/Badge";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";

function Rule({ rule }: { rule: AccessRule }) {
  const t = useText();
  const link = (name: string) => <Link className="mono" to={settingAddress(name)}><Raw>{name}</Raw></Link>;
  const values = { setting: link(rule.setting), list: link(rule.list_setting), entry: <Raw mono>{rule.entry}</Raw> };
  const says = rule.mode === "off" ? "off" : `${rule.mode}.${rule.entry === null ? "absent" : "named"}`;
  return <li><Icon name={rule.allowed ? "check" : "ban"} /><span>{t.rich(`access.${says as "off"}`, values)}</span></li>;
}

export function AccessTest({ service }: { service: string }) {
  const t = useText();
  const [ip, setIp] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<ApiError>();
  const ask = async () => {
    setError(undefined);
    setAnswer(undefined);
    try {
      setAnswer(await api.get("/services/{service}/access-test", { path: { service }, query: { ip: ip.trim() } }));
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
  };
  const wrong = error?.problem.fields?.find((f) => f.name === "ip");
  return (
    <form className="form access-test" onSubmit={(e) => { e.preventDefault(); void ask(); }}>
      <div className="row">
        <Field label={t("access.ip")} error={wrong?.detail} value={ip} onChange={(e) => { setIp(e.target.value); }} maxLength={45} autoComplete="off" spellCheck={false} />
        <button type="submit" className="btn" disabled={ip.trim().length < 2}>{t("access.test")}</button>
      </div>
      {error && !wrong && <ErrorNote error={error} />}
      <div role="status">
        {answer && (
          <>
            <Badge tone={answer.allowed ? "ok" : "bad"} icon={answer.allowed ? "check" : "ban"}>{t.rich(answer.allowed ? "access.may" : "access.maynot", { ip: <Raw>{answer.ip}</Raw> })}</Badge>
            <ul className="plain-list">{answer.rules.map((r) => <Rule key={r.setting} rule={r} />)}</ul>
          </>
        )}
      </div>
    </form>
  );
}
