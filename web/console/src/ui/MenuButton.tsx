import type { ReactNode } from "react";
import { Button, Menu, MenuItem, MenuTrigger, Popover } from "react-aria-components";
import { Icon } from "./Icon";
import type { IconName } from "./icons";

export interface MenuEntry {
  id: string;
  label: string;
  icon?: IconName;
  danger?: boolean;
  checked?: boolean;
  run: () => void;
}

export function MenuButton({ label, className = "ib", entries, children, groupLabel }: {
  label: string;
  className?: string;
  entries: readonly (MenuEntry | false | undefined)[];
  children?: ReactNode;
  groupLabel?: ReactNode;
}) {
  const list = entries.filter((e): e is MenuEntry => !!e);
  return (
    <MenuTrigger>
      <Button className={className} aria-label={label}>{children ?? <Icon name="more" />}</Button>
      <Popover className="menu" placement="bottom end">
        {groupLabel}
        <Menu aria-label={label} onAction={(id) => list.find((e) => e.id === id)?.run()}>
          {list.map((e) => (
            <MenuItem key={e.id} id={e.id} textValue={e.label} className={`mi ${e.danger ? "danger" : ""}`}>
              {e.icon ? <Icon name={e.icon} /> : e.checked !== undefined ? e.checked ? <Icon name="check" /> : <span className="i" /> : null}
              <span className="grow">{e.label}</span>
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
