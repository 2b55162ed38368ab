// Fields of an account that has members instead of a mailbox.
import { useText } from "../../i18n";
import { Field } from "../../ui/Field";
import type { AccountForm, Editable } from "./editable";
import { Check, LinesField, SizeField } from "./fields";

const posters = ["members", "anyone", "moderators"] as const;
const moderated = ["no", "nonmembers", "all"] as const;

export function ListFields({ form: { value: v, set, faultOf } }: { form: AccountForm }) {
  const t = useText();
  return (
    <fieldset>
      <legend className="med">{t(`kind.${v.kind}`)}</legend>
      <div className="two">
        {v.kind === "list" && (
          <Field label={t("list.post")} hint={t("list.post.hint")} error={faultOf("list_post")}>
            {(p) => (
              <select {...p} value={v.list_post} onChange={(e) => { set({ list_post: e.target.value as Editable["list_post"] }); }}>
                {posters.map((x) => <option key={x} value={x}>{t(`list.post.${x}`)}</option>)}
              </select>
            )}
          </Field>
        )}
        {v.kind === "list" && (
          <Field label={t("list.moderate")} hint={t("list.moderate.hint")} error={faultOf("list_moderate")}>
            {(p) => (
              <select {...p} value={v.list_moderate} onChange={(e) => { set({ list_moderate: e.target.value as Editable["list_moderate"] }); }}>
                {moderated.map((x) => <option key={x} value={x}>{t(`list.moderate.${x}`)}</option>)}
              </select>
            )}
          </Field>
        )}
        <SizeField label={t("account.maxmessage")} hint={t("account.maxmessage.hint")} value={v.max_message} error={faultOf("max_message")} onChange={(max_message) => { set({ max_message }); }} />
      </div>
      {v.kind === "list" && (
        <div className="two">
          <LinesField label={t("list.owner")} hint={t("list.owner.hint")} value={v.list_owner} error={faultOf("list_owner")} onChange={(list_owner) => { set({ list_owner }); }} />
          <LinesField label={t("list.moderators")} hint={t("list.moderators.hint")} value={v.list_moderators} error={faultOf("list_moderators")} onChange={(list_moderators) => { set({ list_moderators }); }} />
        </div>
      )}
      <LinesField label={t("list.query")} hint={t("list.query.hint")} value={v.list_query} error={faultOf("list_query")} onChange={(list_query) => { set({ list_query }); }} />
      {v.kind === "list" && <Check label={t("list.oneclick")} hint={t("list.oneclick.hint")} checked={v.list_one_click} onChange={(list_one_click) => { set({ list_one_click }); }} />}
    </fieldset>
  );
}
