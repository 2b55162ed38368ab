import { paths, type IconName } from "./icons";

export function Icon({ name, small = false, className = "" }: { name: IconName; small?: boolean; className?: string }) {
  return (
    <svg className={`i ${small ? "s" : ""} ${className}`} viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

/** The glyph: a coiled post horn. Mouthpiece left, one loop, bell right. */
export function Glyph() {
  return (
    <svg className="glyph" viewBox="0 0 32 32" aria-hidden="true" fill="none" stroke="currentColor" strokeLinecap="round" strokeLinejoin="round">
      <circle cx="14.5" cy="13.5" r="7.5" strokeWidth="3" />
      <path d="M4.5 21H20" strokeWidth="3" />
      <path d="M3.5 18.5v5" strokeWidth="2.6" />
      <path d="M19 19.5c4-.3 7-2 9-5v13c-2-3-5-4.7-9-5z" fill="currentColor" strokeWidth="1.5" />
    </svg>
  );
}
