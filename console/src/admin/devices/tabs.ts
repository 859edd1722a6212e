import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../../api/v1";
import type { TabOf } from "../parts";

export const usePending = () =>
  useQuery({ queryKey: ["callers", "pending"], queryFn: () => api.callersApi.show({ query: { state: "pending" } }), refetchInterval: 10_000 });

/** The sides of the devices room. */
export function useTabs(): TabOf[] {
  const { t } = useTranslation();
  const pending = usePending();
  return [
    { to: "/devices", label: t("devices.tab.devices") },
    { to: "/devices/pending", label: t("devices.tab.pending"), count: pending.data?.callers.length },
    { to: "/devices/associations", label: t("devices.tab.associations") },
    { to: "/devices/recorder", label: t("devices.tab.recorder") },
    { to: "/devices/worklist", label: t("devices.tab.worklist") },
    { to: "/devices/local", label: t("devices.tab.local") },
  ];
}
