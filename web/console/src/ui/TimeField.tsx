import { ParsedField } from "./ParsedField";

const complete = /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/;

/** A time of day as the server writes it, hh:mm or hh:mm:ss. The browser's own field follows its language, not the reader's. */
export function TimeField({ label, value, onChange }: { label: string; value: string; onChange: (time: string) => void }) {
  return <ParsedField label={label} value={value} size={8} placeholder="hh:mm:ss" parse={(text) => (complete.test(text) ? text : undefined)} onChange={onChange} />;
}
