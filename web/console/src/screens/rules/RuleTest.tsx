// What an owner's rules would do with a message; nothing is counted or done.
import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { FilterVerdict } from "../../api/schema";
import { useText } from "../../i18n";
import { Badge, type Tone } from "../../ui/Badge";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";
import { faultOf, generalFault } from "../directory/fields";

const sample = "From: a@elsewhere.example\nTo: b@example.org\nSubject: test\n\nText\n";
const tones: Readonly<Record<FilterVerdict["outcome"], Tone>> = { goes_on: "ok", accepted: "ok", rejected: "bad", deleted: "gone", failed: "warn" };
const shown = ["owner", "sender", "recipient", "ip", "text"];

function Verdict({ verdict }: { verdict: FilterVerdict }) {
  const t = useText();
  const score = Number(verdict.score);
  return (
    <div className="call" role="status">
      <div className="grow">
        <p><Badge tone={tones[verdict.outcome]}>{t(`rule.outcome.${verdict.outcome}`)}</Badge> {score !== 0 && t("rule.score", { score: String(score) })}</p>
        {verdict.reason && <p><Raw>{verdict.reason}</Raw></p>}
        {verdict.hits.length === 0 ? <p className="t2">{t("rule.nohits")}</p> : (
          <ol>
            {verdict.hits.map((h) => <li key={h.rule}><Raw className="med">{h.rule}</Raw> <Raw mono>{h.actions}</Raw></li>)}
          </ol>
        )}
      </div>
    </div>
  );
}

export function RuleTest({ owner, onClose }: { owner: string; onClose: () => void }) {
  const t = useText();
  const [whose, setWhose] = useState(owner);
  const [sender, setSender] = useState("");
  const [recipient, setRecipient] = useState("");
  const [ip, setIp] = useState("");
  const [text, setText] = useState(sample);
  const [verdict, setVerdict] = useState<FilterVerdict>();
  const [error, setError] = useState<ApiError>();
  const submit = () => {
    setError(undefined);
    setVerdict(undefined);
    const envelope = { ...(sender && { sender }), ...(recipient && { recipient }), ...(ip && { ip }) };
    api.post("/filters/test", { body: { owner: whose.trim(), text, ...envelope } }).then(
      setVerdict,
      (e: unknown) => { if (e instanceof ApiError) setError(e); },
    );
  };
  const general = generalFault(error, shown);
  return (
    <Dialog title={t("rule.test.title")} onClose={onClose} wide>
      <form className="form" onSubmit={(e) => { e.preventDefault(); submit(); }}>
        {general && <ErrorNote error={general} />}
        <div className="two">
          <Field label={t("rule.owner")} hint={t("rule.owner.hint")} error={faultOf(error, "owner")} value={whose} onChange={(e) => { setWhose(e.target.value); }} required autoComplete="off" spellCheck={false} />
          <Field label={t("rule.ip")} error={faultOf(error, "ip")} value={ip} onChange={(e) => { setIp(e.target.value); }} maxLength={45} autoComplete="off" spellCheck={false} />
          <Field label={t("queue.from")} error={faultOf(error, "sender")} value={sender} onChange={(e) => { setSender(e.target.value); }} autoComplete="off" spellCheck={false} />
          <Field label={t("queue.to")} error={faultOf(error, "recipient")} value={recipient} onChange={(e) => { setRecipient(e.target.value); }} autoComplete="off" spellCheck={false} />
        </div>
        <Field label={t("rule.message")} hint={t("rule.message.hint")} error={faultOf(error, "text")}>
          {(p) => <textarea {...p} rows={8} wrap="off" spellCheck={false} translate="no" value={text} onChange={(e) => { setText(e.target.value); }} />}
        </Field>
        {verdict && <Verdict verdict={verdict} />}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("close")}</button>
          <button type="submit" className="btn pri">{t("rule.test")}</button>
        </div>
      </form>
    </Dialog>
  );
}
