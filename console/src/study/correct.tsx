import { Button, Chip, Group, Modal, Select, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type StudyShown } from "../api/v1";
import { showSex } from "../kit/format";
import { say } from "../kit/says";
import type { Language } from "../kit/words";
import { useStudiesChanged } from "./delete";

type Values = Record<string, string>;
const DATES = new Set(["PatientBirthDate", "StudyDate"]);
const joined = (name: StudyShown["referring"]) => [name.alphabetic, name.ideographic, name.phonetic].join("=").replace(/=+$/, "");

/** Set right what a modality wrote wrong: of the patient or of the study, with a reason. */
export function CorrectDialog({ study, onClose }: { study: StudyShown; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const changed = useStudiesChanged();
  const patientBefore: Values = { PatientName: joined(study.patient.name), PatientBirthDate: study.patient.birth_date, PatientSex: study.patient.sex };
  const studyBefore: Values = {
    StudyDescription: study.description, AccessionNumber: study.accession, StudyDate: study.date, ReferringPhysicianName: joined(study.referring),
  };
  const [values, setValues] = useState<Values>({ ...patientBefore, ...studyBefore });
  const [why, setWhy] = useState("");
  const diff = (before: Values) => Object.fromEntries(Object.keys(before).filter((key) => values[key] !== before[key]).map((key) => [key, values[key] || null]));
  const ofPatient = diff(patientBefore);
  const ofStudy = diff(studyBefore);
  const some = Object.keys({ ...ofPatient, ...ofStudy }).length > 0;
  const wrong = (key: string) => DATES.has(key) && values[key] !== "" && !/^\d{8}$/.test(values[key] ?? "");
  const save = useMutation({
    mutationFn: async () => {
      const reason = why.trim();
      if (Object.keys(ofPatient).length > 0)
        await api.corrections.correct({ body: { level: "patient", target: study.patient.id, issuer: study.patient.issuer || undefined, attributes: ofPatient, why: reason } });
      if (Object.keys(ofStudy).length > 0) await api.corrections.correct({ body: { level: "study", target: study.uid, attributes: ofStudy, why: reason } });
    },
    onSuccess: () => {
      say(t("correct.done"));
      onClose();
    },
    onSettled: changed,
  });
  const field = (key: string, label: string) => (
    <TextInput size="sm" label={label} value={values[key]} error={wrong(key) ? t("correct.badDate") : undefined} onChange={(event) => setValues({ ...values, [key]: event.currentTarget.value })} />
  );
  return (
    <Modal opened onClose={onClose} size="lg" title={t("correct.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack gap="sm">
          <Text size="sm" c="dimmed">{t("correct.note")}</Text>
          {study.patient.id && (
            <>
              <Text size="sm" fw={600}>{t("correct.ofPatient")}</Text>
              {field("PatientName", t("correct.name"))}
              <Group grow>
                {field("PatientBirthDate", t("correct.birth"))}
                <Select size="sm" label={t("correct.sex")} value={values.PatientSex || null} clearable data={["M", "F", "O"].map((sex) => ({ value: sex, label: showSex(sex, i18n.language as Language) }))}
                  onChange={(value) => setValues({ ...values, PatientSex: value ?? "" })} />
              </Group>
            </>
          )}
          <Text size="sm" fw={600} mt="xs">{t("correct.ofStudy")}</Text>
          {field("StudyDescription", t("correct.description"))}
          <Group grow>
            {field("AccessionNumber", t("correct.accession"))}
            {field("StudyDate", t("correct.studyDate"))}
          </Group>
          {field("ReferringPhysicianName", t("correct.referring"))}
          <Chip.Group value={why} onChange={(value) => setWhy(String(value))}>
            <Group gap={6} mt="xs">
              {(t("correct.usual", { returnObjects: true }) as string[]).map((each) => <Chip key={each} value={each} size="xs" radius="sm">{each}</Chip>)}
            </Group>
          </Chip.Group>
          <Textarea label={t("common.reason")} description={t("common.reasonKept")} value={why} maxLength={500} autosize required onChange={(event) => setWhy(event.currentTarget.value)} />
          {save.isError && <Text c="red" size="sm" role="alert">{save.error.message}</Text>}
          <Group justify="end" align="center">
            {!some && <Text size="sm" c="dimmed">{t("correct.unchanged")}</Text>}
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" disabled={!some || !why.trim() || Object.keys(values).some(wrong)} loading={save.isPending}>{t("correct.action")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
