import { Button, Dialog, DialogTrigger, Popover } from "react-aria-components";
import { useText } from "../../i18n";
import { Icon } from "../Icon";
import { useLayout, type Column } from "./columns";

/** Which columns a list shows and in what order. */
export function ColumnsButton<T>({ name, columns }: { name: string; columns: readonly Column<T>[] }) {
  const t = useText();
  const [layout, change] = useLayout(name, columns);
  const byId = new Map(columns.map((c) => [c.id, c]));
  const move = (id: string, by: number) => {
    const order = [...layout.order];
    const at = order.indexOf(id);
    const to = at + by;
    if (to < 0 || to >= order.length) return;
    order.splice(at, 1);
    order.splice(to, 0, id);
    change({ order });
  };
  return (
    <DialogTrigger>
      <Button className="btn deskonly"><Icon name="sliders" />{t("columns")}</Button>
      <Popover className="menu" placement="bottom end">
        <Dialog className="cols" aria-label={t("columns")}>
          <ul>
            {layout.order.map((id, i) => {
              const c = byId.get(id);
              if (!c || c.quiet) return null;
              return (
                <li key={id}>
                  <label className="row grow">
                    <input
                      type="checkbox"
                      checked={!layout.hidden[id]}
                      disabled={c.fixed}
                      onChange={(e) => { change({ hidden: { ...layout.hidden, [id]: !e.target.checked } }); }}
                    />
                    {c.head}
                  </label>
                  <button type="button" className="ib sm" disabled={i === 0} aria-label={t("columns.before", { name: c.head })} onClick={() => { move(id, -1); }}><Icon name="up" small /></button>
                  <button type="button" className="ib sm" disabled={i === layout.order.length - 1} aria-label={t("columns.after", { name: c.head })} onClick={() => { move(id, 1); }}><Icon name="down" small /></button>
                </li>
              );
            })}
          </ul>
          <button type="button" className="btn sm" onClick={() => { change(null); }}>{t("columns.reset")}</button>
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}
