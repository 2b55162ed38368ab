import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useText } from "../i18n";
import { Icon } from "./Icon";

/** A dialog above everything else. Esc and the cross close it; the focus goes back to where it came from. */
export function Dialog({ title, children, onClose, wide = false, alert = false }: {
  title: ReactNode;
  children: ReactNode;
  onClose: () => void;
  wide?: boolean;
  alert?: boolean;
}) {
  const t = useText();
  return (
    <ModalOverlay isOpen isDismissable={!alert} onOpenChange={(open) => { if (!open) onClose(); }} className="scrim">
      <Modal className={`dlg ${wide ? "wide" : ""}`}>
        <AriaDialog role={alert ? "alertdialog" : "dialog"} data-modal="" className="dlg-in">
          <header>
            <Heading slot="title" className="grow">{title}</Heading>
            <button type="button" className="ib sm" aria-label={t("close")} onClick={onClose}><Icon name="x" /></button>
          </header>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

