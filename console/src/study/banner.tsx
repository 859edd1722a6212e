import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { PatientShown } from "../api/v1";
import { harmless, showName } from "../kit/format";
import type { Language } from "../kit/words";
import { nameOf, personLine } from "./data";

/** Whose it is: name as in the record, sex, age at the study, birth date, identifier with its issuer. */
export function Banner({ patient, day }: { patient: PatientShown; day: string }) {
  const { t, i18n } = useTranslation();
  const { main, other } = showName(nameOf(patient.name));
  return (
    <div style={{ minWidth: 0 }}>
      <Text fw={650} size="lg" lh={1.25} style={{ overflowWrap: "anywhere" }}>
        {main || t("study.noName")}
        {other && <Text span c="dimmed" size="sm" fw={400} ml={8}>{other}</Text>}
      </Text>
      <Text size="sm">{personLine(patient, day, i18n.language as Language, t("study.birth"))}</Text>
      <Text size="sm" style={{ fontVariantNumeric: "tabular-nums", overflowWrap: "anywhere" }}>
        {harmless(patient.id) || t("study.noId")}
        {patient.issuer && <Text span c="dimmed" inherit> · {harmless(patient.issuer)}</Text>}
      </Text>
    </div>
  );
}
