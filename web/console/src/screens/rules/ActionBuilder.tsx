// One more action for the rule, chosen and filled in instead of typed.
import { useState } from "react";
import { useText } from "../../i18n";
import { actionText, actionsFor, argumentsOf, levelOf, priorities, withAction, type ActionWord, type ArgumentName } from "../../lib/ruleaction";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";

export function ActionBuilder({ owner, text, onChange }: { owner: string; text: string; onChange: (text: string) => void }) {
  const t = useText();
  const words = actionsFor(levelOf(owner));
  const [chosen, setChosen] = useState<ActionWord>("move");
  const [values, setValues] = useState<Partial<Record<ArgumentName, string>>>({ priority: "normal" });
  const word = words.includes(chosen) ? chosen : "move";
  const action = actionText(word, values);
  const set = (name: ArgumentName, value: string) => { setValues((v) => ({ ...v, [name]: value })); };
  return (
    <fieldset>
      <legend className="s">{t("rule.action.title")}</legend>
      <div className="two">
        <Field label={t("rule.action")}>
          {(p) => (
            <select {...p} value={word} onChange={(e) => { setChosen(e.target.value as ActionWord); }}>
              {words.map((w) => <option key={w} value={w}>{t(`rule.do.${w}`)}</option>)}
            </select>
          )}
        </Field>
        {argumentsOf(word).map(({ name }) => (
          <Field key={name} label={t(`rule.arg.${name}`)}>
            {(p) => {
              const value = values[name] ?? "";
              if (name === "reply") return <textarea {...p} rows={3} value={value} onChange={(e) => { set(name, e.target.value); }} />;
              if (name !== "priority") return <input {...p} value={value} onChange={(e) => { set(name, e.target.value); }} autoComplete="off" />;
              return (
                <select {...p} value={value} onChange={(e) => { set(name, e.target.value); }}>
                  {priorities.map((x) => <option key={x} value={x}>{t(`queue.priority.${x}`)}</option>)}
                </select>
              );
            }}
          </Field>
        ))}
      </div>
      <button type="button" className="btn" disabled={action === undefined} onClick={() => { if (action !== undefined) onChange(withAction(text, action)); }}><Icon name="plus" />{t("rule.action.add")}</button>
    </fieldset>
  );
}
