import { useState } from "react";
import { useText } from "../i18n";
import { isCustom, parseMoment, spanNames, typedMoment, type SpanChoice } from "../lib/span";
import { addressWith, navigate } from "../lib/router";
import { Segments } from "./Page";
import { ParsedField } from "./ParsedField";

function MomentField({ label, value, onChange }: { label: string; value: string; onChange: (iso: string) => void }) {
  return <ParsedField label={label} value={value} size={16} placeholder="2026-03-12 10:30" parse={parseMoment} show={typedMoment} onChange={onChange} />;
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
