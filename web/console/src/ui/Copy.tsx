import { useText } from "../i18n";
import { copyText } from "../lib/clipboard";
import { toast } from "../lib/toast";
import { Icon } from "./Icon";

export function CopyButton({ text, label }: { text: string; label: string }) {
  const t = useText();
  return (
    <button
      type="button"
      className="ib sm"
      aria-label={label}
      title={label}
      onClick={() => void copyText(text).then(() => { toast(t("copied")); })}
    >
      <Icon name="copy" small />
    </button>
  );
}

export function download(name: string, type: string, content: string | Blob): void {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const a = document.createElement("a");
  a.href = address;
  a.download = name;
  a.click();
  setTimeout(() => { URL.revokeObjectURL(address); }, 1000);
}
