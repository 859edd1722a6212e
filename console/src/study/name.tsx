import { Text, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { PatientShown } from "../api/v1";
import { showName } from "../kit/format";
import { nameOf } from "./data";

/** A name in a row: as it is written first, in Latin letters behind it. */
export function Name({ name }: { name: PatientShown["name"] }) {
  const { t } = useTranslation();
  const { main, other } = showName(nameOf(name));
  return (
    <Tooltip label={other ? `${main} · ${other}` : main} disabled={!main} openDelay={600}>
      <span>
        {main || <Text span c="dimmed" inherit>{t("study.noName")}</Text>}
        {other && <Text span c="dimmed" inherit ml={8}>{other}</Text>}
      </span>
    </Tooltip>
  );
}
