// The page of an account or a domain: where it leads, the form over it, what somebody else changed meanwhile, and its end.
import { useState, type ReactNode } from "react";
import { useText, type Key } from "../../i18n";
import type { useEditor } from "../../lib/editor";
import type { Values } from "../../lib/merge";
import { Link } from "../../lib/router";
import { toast } from "../../lib/toast";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Conflict } from "../../ui/Conflict";
import { Icon } from "../../ui/Icon";
import type { IconName } from "../../ui/icons";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { EnabledBadge } from "./Accounts";
import { generalFault } from "./fields";

export function ObjectPage<T extends Values & { enabled: boolean }>({ name, list, icon, gone, object, labels, actions, links, children, below, end }: {
  name: string;
  list: { to: string; label: string };
  icon: IconName;
  gone: string;
  object: { edit: ReturnType<typeof useEditor<T>>; may: (action: string) => boolean; remove: () => void };
  labels: Readonly<Record<keyof T & string, Key>>;
  actions?: ReactNode;
  links: ReactNode;
  /** The fields. */
  children: ReactNode;
  below: ReactNode;
  /** What is said before it is deleted; undefined: it cannot be. */
  end: { title: string; verb: string; text: ReactNode } | undefined;
}) {
  const t = useText();
  const [ending, setEnding] = useState(false);
  const { edit, may } = object;
  const mayChange = may("change");
  const v = edit.value;
  const general = generalFault(edit.error, Object.keys(labels));
  const told = (ok: boolean) => { if (ok) toast(t("saved")); };
  return (
    <>
      <PageHead title={name} sub={v && <EnabledBadge enabled={v.enabled} t={t} />}>
        {actions}
        {end && may("delete") && <button type="button" className="btn danger" onClick={() => { setEnding(true); }}><Icon name="trash" />{t("delete")}</button>}
      </PageHead>
      <div className="scroll">
        <div className="pad narrow-page">
          <nav className="crumbs" aria-label={t("crumbs")}><Link to={list.to}>{list.label}</Link> / <Raw>{name}</Raw></nav>
          {edit.missing && (edit.missing.status === 404 ? <Empty icon={icon} title={gone} /> : <ErrorNote error={edit.missing} onRetry={edit.reload} />)}
          {!v && !edit.missing && <Skeleton rows={6} />}
          {v && (
            <>
              <div className="row wrap links">{links}</div>
              <form className="form card-form" onSubmit={(e) => { e.preventDefault(); void edit.save().then(told); }}>
                <fieldset disabled={!mayChange}>
                  <legend className="sr">{t("account.properties")}</legend>
                  {general && <ErrorNote error={general} />}
                  {children}
                  {mayChange && (
                    <div className="acts-row">
                      <button type="button" className="btn" disabled={!edit.dirty} onClick={edit.reset}>{t("discard")}</button>
                      <button type="submit" className="btn pri" disabled={!edit.dirty || edit.busy}>{t("save")}</button>
                    </div>
                  )}
                </fieldset>
              </form>
              {below}
            </>
          )}
        </div>
      </div>
      {edit.conflict && <Conflict what={name} fields={edit.conflict} nameOf={(f) => t(labels[f as keyof T & string])} onClose={() => void edit.resolve(undefined)} onChoose={(take) => void edit.resolve(take).then(told)} />}
      {ending && end && <ConfirmDialog title={end.title} word={name} verb={end.verb} onClose={() => { setEnding(false); }} onConfirm={object.remove}>{end.text}</ConfirmDialog>}
    </>
  );
}
