import { useState } from "react";
import { Button, Dialog, DialogTrigger, Popover } from "react-aria-components";
import { api } from "../../api/client";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { eventsAddress, settingAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Raw } from "../../ui/Raw";
import { Served } from "../../ui/Served";

type Class = "2" | "3" | "4" | "5";

function Meaning({ code, reply, peer }: { code: string; reply: string; peer: string }) {
  const t = useText();
  const maySettings = useMay("settings:read");
  const found = useResource(`reply ${reply}`, (signal) => api.get("/reference/reply-codes", { query: { reply: reply.slice(0, 500) }, signal }));
  const mayEvents = useMay("messages:read");
  const row = found.data?.items[0];
  return (
    <>
      <h3>{t.rich("code.title", { code: <span translate="no">{code}</span> })}</h3>
      <p className="t2">{t(`code.${code.charAt(0) as Class}`)}</p>
      {row && (
        <>
          <p><Served name={`cause.${row.id}`}>{row.cause}</Served></p>
          <p><Served name={`remedy.${row.id}`}>{row.remedy}</Served></p>
          {row.setting && maySettings && <p><Link to={settingAddress(row.setting)}><Raw mono>{row.setting}</Raw></Link></p>}
        </>
      )}
      {/^[45]/.test(code) && peer && mayEvents && <p><Link to={eventsAddress("ip", peer)}>{t("event.of", { peer })}</Link></p>}
    </>
  );
}

/** A reply code that tells what it means, and leads to the setting that decides. In long lists it is no stop of Tab. */
export function Code({ code, reply, peer = "", tab = true }: { code: string; reply: string; /** Who was told so. */ peer?: string; tab?: boolean }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  return (
    <DialogTrigger isOpen={open} onOpenChange={setOpen}>
      <Button className="code" excludeFromTabOrder={!tab} aria-label={t("code.label", { code })}><span translate="no">{code}</span></Button>
      <Popover className="menu code-pop" placement="bottom start">
        <Dialog aria-label={t("code.label", { code })} data-modal="" className="code-in">{open && <Meaning code={code} reply={reply} peer={peer} />}</Dialog>
      </Popover>
    </DialogTrigger>
  );
}
