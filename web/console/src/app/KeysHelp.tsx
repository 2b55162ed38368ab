import { Fragment } from "react";
import { useText, type Key } from "../i18n";
import { usePreference } from "../lib/prefs";
import { Dialog } from "../ui/Dialog";
import { useMe } from "./me";
import { menuOf } from "./nav";

const common: readonly [string, Key][] = [
  ["/", "keys.search"],
  ["Ctrl K", "keys.search"],
  ["?", "keys.help"],
  ["f", "keys.filter"],
  ["j", "keys.next"],
  ["k", "keys.previous"],
  ["↵", "keys.open"],
  ["o", "keys.open"],
  ["x", "keys.select"],
  ["⇧ x", "keys.extend"],
  ["Esc", "keys.close"],
  ["r", "keys.refresh"],
  [".", "keys.hold"],
  ["c", "keys.copy"],
  ["[", "keys.tabbefore"],
  ["]", "keys.tabafter"],
  ["u", "keys.undo"],
];
const inQueue: readonly [string, Key][] = [["s", "queue.send"], ["#", "delete"]];
const inSessions: readonly [string, Key][] = [["K", "sessions.end"]];
const inMessage: readonly [string, Key][] = [["s", "queue.send"], ["t", "keys.transcript"]];
const inLogs: readonly [string, Key][] = [["n", "logs.nexthit"], ["N", "logs.previoushit"], ["↵", "logs.around"], ["t", "logs.thread"], ["T", "logs.everywhere"], ["f", "logs.follow"], ["o", "logs.opensession"]];

export function KeysHelp({ onClose }: { onClose: () => void }) {
  const t = useText();
  const me = useMe();
  const [letters, setLetters] = usePreference("letters");
  const row = ([key, label]: readonly [string, Key]) => (
    <div key={key + label}>
      <dt>{key.split(" ").map((k, i) => <Fragment key={i}>{i > 0 && " "}<kbd>{k}</kbd></Fragment>)}</dt>
      <dd>{t(label)}</dd>
    </div>
  );
  return (
    <Dialog title={t("keys")} onClose={onClose} wide>
      <div className="form">
        <label className="row">
          <input type="checkbox" className="sw" checked={letters !== "off"} onChange={(e) => { setLetters(e.target.checked ? "" : "off"); }} />
          {t("keys.letters")}
        </label>
      </div>
      <dl className="keys">{common.map(row)}</dl>
      <div className="form"><h3 className="s">{t("keys.go")}</h3></div>
      <dl className="keys">
        {menuOf(me).flatMap((g) => g.items).filter((i) => i.key).map((i) => row([`g ${i.key}`, i.label]))}
      </dl>
      <div className="form"><h3 className="s">{t("keys.message")}</h3></div>
      <dl className="keys">{inMessage.map(row)}</dl>
      <div className="form"><h3 className="s">{t("nav.queue")}</h3></div>
      <dl className="keys">{inQueue.map(row)}</dl>
      <div className="form"><h3 className="s">{t("nav.sessions")}</h3></div>
      <dl className="keys">{inSessions.map(row)}</dl>
      <div className="form"><h3 className="s">{t("nav.logs")}</h3></div>
      <dl className="keys">{inLogs.map(row)}</dl>
    </Dialog>
  );
}
