import { useState } from "react";
import { useText } from "../i18n";
import { isCustom, parseMoment, spanNames, typedMoment, type SpanChoice } from "../lib/span";
import { addressWith, navigate } from "../lib/router";
import { Segments } from "./Page";

function MomentField({ label, value, onChange }: { label: string; value: string; onChange: (iso: string) => void }) {
  const [text, setText] = useState(typedMoment(value));
  const [shown, setShown] = useState(value);
  if (shown !== value) {
    setShown(value);
    setText(typedMoment(value));
  }
  const wrong = text !== "" && parseMoment(text) === undefined;
  return (
    <label className={`field ${wrong ? "wrong" : ""}`}>
      <span className="lb">{label}</span>
      <input
        value={text}
        size={16}
        className="num"
        placeholder="2026-03-12 10:30"
        aria-label={label}
        aria-invalid={wrong}
        inputMode="numeric"
        autoComplete="off"
        translate="no"
        onChange={(e) => {
          setText(e.target.value);
          const iso = e.target.value === "" ? "" : parseMoment(e.target.value);
          if (iso !== undefined && typedMoment(iso) !== typedMoment(value)) {
            setShown(iso);
            onChange(iso);
          }
        }}
      />
    </label>
  );
}

/** The span of a list, in the address: a length back from now, or from one moment to another. */
export function SpanField({ choice, usual }: { choice: SpanChoice; usual: string }) {
  const t = useText();
  const custom = isCustom(choice);
  const [open, setOpen] = useState(custom);
  return (
    <>
      <Segments
        label={t("span")}
        value={open || custom ? "custom" : choice.span}
        options={[...spanNames.map((s) => ({ id: s as string, label: t(`span.${s}`) })), { id: "custom", label: t("span.custom") }]}
        onChange={(id) => {
          setOpen(id === "custom");
          if (id !== "custom") navigate(addressWith({ span: id === usual ? "" : id, from: "", to: "" }), true);
        }}
      />
      {(open || custom) && (
        <>
          <MomentField label={t("from")} value={choice.from} onChange={(from) => { navigate(addressWith({ from, span: "" }), true); }} />
          <MomentField label={t("span.to")} value={choice.to} onChange={(to) => { navigate(addressWith({ to, span: "" }), true); }} />
        </>
      )}
    </>
  );
}
