import { useTranslation } from "react-i18next";
import "../words";

export const useTabs = () => {
  const { t } = useTranslation();
  return [
    { to: "/audit", label: t("audit.tab.search") },
    { to: "/audit/patient", label: t("audit.tab.patient") },
    { to: "/audit/alerts", label: t("audit.tab.alerts") },
    { to: "/audit/trail", label: t("audit.tab.trail") },
  ];
};
