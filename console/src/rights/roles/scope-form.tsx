import { Checkbox, Select, SimpleGrid, Stack, TagsInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { FLAGS, LISTS, type Scope } from "./telling";

const MODALITIES = ["CT", "MR", "CR", "DX", "US", "XA", "RF", "MG", "NM", "PT", "ES", "SM", "OT"];
const LEVELS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** One part of the archive: every line that is filled in narrows it. */
export function ScopeForm({ scope, known, onChange }: { scope: Scope; known: { sites: string[]; departments: string[] }; onChange: (scope: Scope) => void }) {
  const { t } = useTranslation();
  const data = { sites: known.sites, departments: known.departments, modalities: MODALITIES, patient_lists: [], studies: [] };
  return (
    <Stack gap="sm">
      <SimpleGrid cols={2} spacing="sm">
        {LISTS.map((key) => (
          <TagsInput key={key} size="xs" label={t(`rights.scope.${key}`)} placeholder={scope[key]?.length ? undefined : t("rights.scope.any")} data={data[key]} value={scope[key] ?? []} onChange={(value) => onChange({ ...scope, [key]: value })} clearable />
        ))}
        <Select size="xs" label={t("rights.scope.max_sensitivity")} placeholder={t("rights.scope.noLimit")} clearable data={LEVELS} value={scope.max_sensitivity === undefined || scope.max_sensitivity === null ? null : String(scope.max_sensitivity)}
          onChange={(level) => onChange({ ...scope, max_sensitivity: level === null ? undefined : Number(level) })} />
      </SimpleGrid>
      {FLAGS.map((key) => <Checkbox key={key} size="xs" label={t(`rights.scope.${key}`)} checked={scope[key] ?? false} onChange={(event) => onChange({ ...scope, [key]: event.currentTarget.checked })} />)}
    </Stack>
  );
}
