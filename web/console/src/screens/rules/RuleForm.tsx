// The text of a rule: new, or as it is stored.
import { useEffect, useState, type ReactNode } from "react";
import { api, ApiError, request } from "../../api/client";
import { useText } from "../../i18n";
import { toast } from "../../lib/toast";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Raw } from "../../ui/Raw";
import { ScriptField } from "../../ui/ScriptField";
import { ErrorNote, Skeleton } from "../../ui/States";
import { faultOf, generalFault } from "../directory/fields";
import { ActionBuilder } from "./ActionBuilder";
import { lineOf } from "./fault";

const template = '# No programs by mail, also not in archives; colleagues may.\nrule "No programs"\n  if attachment-name matches "*.exe", "*.scr", "*.js" and not authenticated\n  then reject "Programs are not accepted here"\n';

function Form({ title, owner, error, shown, text, setText, mayChange, onSubmit, onClose, children }: {
  title: string;
  owner: string;
  error: ApiError | undefined;
  shown: readonly string[];
  text: string;
  setText: (text: string) => void;
  mayChange: boolean;
  onSubmit: () => void;
  onClose: () => void;
  children?: ReactNode;
}) {
  const t = useText();
  const general = generalFault(error, shown);
  const fault = faultOf(error, "text");
  const line = lineOf(fault);
  return (
    <Dialog title={title} onClose={onClose} wide>
      <form className="form" onSubmit={(e) => { e.preventDefault(); onSubmit(); }}>
        {general && <ErrorNote error={general} />}
        {children}
        <ScriptField label={t("rule.text")} text={text} wrong={new Set(line === undefined ? [] : [line])} problems="rule-problem" rows={14} disabled={!mayChange} onChange={setText} />
        {fault && <p className="script-problems" id="rule-problem" role="alert"><Raw>{fault}</Raw></p>}
        {mayChange && <ActionBuilder owner={owner} text={text} onChange={setText} />}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t(mayChange ? "cancel" : "close")}</button>
          {mayChange && <button type="submit" className="btn pri" disabled={!text.trim()}>{t("filters.store")}</button>}
        </div>
      </form>
    </Dialog>
  );
}

export function NewRule({ owner, onClose, onDone }: { owner: string; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [whose, setWhose] = useState(owner);
  const [text, setText] = useState(template);
  const [error, setError] = useState<ApiError>();
  const submit = () => {
    setError(undefined);
    api.post("/filters", { body: { owner: whose.trim(), text } }).then(
      () => {
        toast(t("rule.made"));
        onDone();
        onClose();
      },
      (e: unknown) => { if (e instanceof ApiError) setError(e); },
    );
  };
  return (
    <Form title={t("rule.new")} owner={whose} error={error} shown={["owner", "text"]} text={text} setText={(v) => { setText(v); setError(undefined); }} mayChange onSubmit={submit} onClose={onClose}>
      <Field label={t("rule.owner")} hint={t("rule.owner.hint")} error={faultOf(error, "owner")} value={whose} onChange={(e) => { setWhose(e.target.value); }} required autoComplete="off" spellCheck={false} />
    </Form>
  );
}

export function EditRule({ owner, name, mayChange, onClose, onDone }: { owner: string; name: string; mayChange: boolean; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [text, setText] = useState("");
  const [etag, setEtag] = useState<string>();
  const [known, setKnown] = useState(false);
  const [error, setError] = useState<ApiError>();
  const path = { owner, rule: name };
  useEffect(() => {
    request("get", "/filters/{owner}/{rule}", { path: { owner, rule: name } }).then(
      (r) => {
        setText(r.data.text);
        setEtag(r.etag);
        setKnown(true);
      },
      (e: unknown) => { if (e instanceof ApiError) setError(e); },
    );
  }, [owner, name]);
  const submit = () => {
    setError(undefined);
    // What somebody else has changed meanwhile is not overwritten: the server refuses.
    request("put", "/filters/{owner}/{rule}", { path, body: { text }, ifMatch: etag }).then(
      () => {
        toast(t("saved"));
        onDone();
        onClose();
      },
      (e: unknown) => { if (e instanceof ApiError) setError(e); },
    );
  };
  if (!known && !error) return <Dialog title={t("rule.edit", { name })} onClose={onClose} wide><Skeleton rows={6} /></Dialog>;
  return <Form title={t("rule.edit", { name })} owner={owner} error={error} shown={["text"]} text={text} setText={(v) => { setText(v); setError(undefined); }} mayChange={mayChange && known} onSubmit={submit} onClose={onClose} />;
}
