import { useQuery } from "@tanstack/react-query";
import { people } from "../../admin/people/api";
import { api } from "../../api/v1";
import type { Say } from "../audit/telling";
import { useMay } from "../../study/actions";

// A second person may have no right to the other rooms.
const PLACES: Partial<Record<string, string>> = { users: "/users", second: "/agree" };

export const useTabsOf = (t: Say) =>
  (["users", "roles", "given", "sessions", "protected", "glass", "second"] as const).map((name) => ({ to: PLACES[name] ?? `/users/${name}`, label: t(`rights.tab.${name}`) }));

export const useRoles = () => useQuery({ queryKey: ["roles"], queryFn: () => api.roles.show() });
export const useGrants = () => useQuery({ queryKey: ["grants"], queryFn: () => api.roles.grants() });
export const useAccounts = () => useQuery({ queryKey: ["accounts"], queryFn: people.accounts });

/** Sites and departments that devices name: what a scope can be made of. Empty for who may not see devices. */
export function usePlaces(): { sites: string[]; departments: string[]; devices: string[] } {
  const may = useMay();
  const devices = useQuery({ queryKey: ["devices"], queryFn: () => api.devices.show(), enabled: may("administer") });
  const all = devices.data?.devices ?? [];
  const distinct = (values: string[]) => [...new Set(values.filter(Boolean))].sort();
  return { sites: distinct(all.map((each) => each.site)), departments: distinct(all.map((each) => each.department)), devices: all.map((each) => each.ae_title) };
}

/** How a principal is called: an account by its name, a device by its AE title. */
export function useHolder(): (principal: string, t: Say) => string {
  const may = useMay();
  const accounts = useQuery({ queryKey: ["accounts"], queryFn: people.accounts, enabled: may("security") });
  return (principal, t) => {
    if (principal === "system") return t("audit.doors.system");
    const [kind, id = ""] = [principal.slice(0, principal.indexOf(":")), principal.slice(principal.indexOf(":") + 1)];
    if (kind !== "person") return id || principal;
    const account = accounts.data?.accounts.find((each) => each.id === principal);
    return account ? [account.name, account.display_name].filter(Boolean).join(" · ") : t("rights.given.gone", { id });
  };
}
