import { useId, type InputHTMLAttributes, type ReactNode } from "react";
import { visible } from "../lib/bidi";

/** A labelled input with its hint and its error, tied together for screen readers. */
export function Field({ label, hint, error, children, ...input }: {
  label: ReactNode;
  hint?: ReactNode;
  error?: string | undefined;
  children?: (props: { id: string; "aria-invalid": boolean; "aria-describedby": string | undefined; className: string }) => ReactNode;
} & Omit<InputHTMLAttributes<HTMLInputElement>, "children">) {
  const id = useId();
  const described = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(" ") || undefined;
  const props = { id, "aria-invalid": !!error, "aria-describedby": described, className: "inp" };
  return (
    <div className="f">
      <label htmlFor={id}>{label}</label>
      {children ? children(props) : <input {...input} {...props} />}
      {hint && <span className="hint" id={`${id}h`}>{hint}</span>}
      {error && <span className="err" id={`${id}e`} role="alert" translate="no">{visible(error)}</span>}
    </div>
  );
}
