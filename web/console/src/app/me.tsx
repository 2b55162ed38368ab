// Who has signed in, and what he may do. The server decides; the console only hides.
import { createContext, useContext } from "react";
import type { Me } from "../api/schema";

export const MeContext = createContext<Me | undefined>(undefined);

export function useMe(): Me {
  const me = useContext(MeContext);
  if (!me) throw new Error("used outside of a signed-in frame");
  return me;
}

/** "queue:write" */
export function useMay(scope: string): boolean {
  return useMe().scopes.includes(scope);
}

export function serverName(me: Me): string {
  const name = me.server["hostname"];
  return typeof name === "string" ? name : location.hostname;
}
