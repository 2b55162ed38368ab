// Whose mailbox: typed, or chosen by "…" from all items.
import { useEffect, useState } from "react";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { Icon } from "../../ui/Icon";
import { SelectItem, type Item } from "../../ui/SelectItem";

export function AccountField({ value, onChoose }: { value: string; onChoose: (account: string) => void }) {
  const t = useText();
  const maySelect = useMay("directory:read");
  const [typed, setTyped] = useState(value);
  const [selecting, setSelecting] = useState(false);
  useEffect(() => { setTyped(value); }, [value]);
  const unfit = ({ kind }: Item) => (kind === "user" ? undefined : t(`mailbox.unfit.${kind}`));
  return (
    <>
      <form className="field" onSubmit={(e) => { e.preventDefault(); if (typed.trim()) onChoose(typed.trim()); }}>
        <label className="lb" htmlFor="mailbox-account">{t("mailbox.account")}</label>
        <input id="mailbox-account" size={24} value={typed} onChange={(e) => { setTyped(e.target.value); }} placeholder={t("mailbox.account.hint")} autoComplete="off" autoCapitalize="none" spellCheck={false} translate="no" />
        {maySelect && <button type="button" className="ib sm" aria-label={t("mailbox.select")} title={t("mailbox.select")} onClick={() => { setSelecting(true); }}><Icon name="more" /></button>}
      </form>
      {selecting && (
        <SelectItem
          title={t("mailbox.select")}
          unfit={unfit}
          onChoose={(item) => {
            setSelecting(false);
            onChoose(item.id);
          }}
          onClose={() => { setSelecting(false); }}
        />
      )}
    </>
  );
}
