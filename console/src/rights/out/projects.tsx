import "../words";
import "../../admin/words";
import { Button, Checkbox, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Note, Panel, Room, useAct, useAddress, When, Wrong } from "../../admin/parts";
import { api, type ProjectAnswer } from "../../api/v1";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { useMay } from "../../study/actions";
import { useHolder } from "../roles/data";
import { useTabs } from "./exports";

const OPTIONS = ["clean-pixels", "clean-graphics", "clean-structured-content", "clean-descriptors", "retain-modified-dates", "retain-full-dates", "retain-patient-characteristics", "retain-device", "retain-institution", "retain-uids", "retain-safe-private"] as const;
const DATES = ["retain-full-dates", "retain-modified-dates"];

/** What de-identified exports are made for; each keeps what its options say, and no more. */
export function Projects() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const may = useMay();
  const holder = useHolder();
  const [at, go] = useAddress();
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => api.exportsApi.projects() });
  const optionsOf = (row: ProjectAnswer) => row.options.map((each) => t(`export.projects.option.${each}`, { defaultValue: each })).join(t("common.listComma")) || t("export.projects.basic");
  const columns: Column<ProjectAnswer>[] = [
    { key: "name", title: t("export.projects.name"), width: "minmax(150px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.name}</Text> },
    { key: "prefix", title: t("export.projects.prefix"), width: "minmax(110px, 0.7fr)", cell: (row) => row.prefix },
    { key: "options", title: t("export.projects.options"), width: "minmax(200px, 3fr)", cell: (row) => <span title={optionsOf(row)}>{optionsOf(row)}</span> },
    { key: "by", title: t("export.projects.by"), width: "minmax(110px, 0.8fr)", cell: (row) => holder(row.created_by, t) },
    { key: "since", title: t("export.projects.since"), width: "172px", cell: (row) => <When at={row.created_at} /> },
  ];
  const add = may("administer") && <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new" })}>{t("export.projects.add")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("export.projects.about")}</Text></>} panel={at.form === "new" && <ProjectForm taken={(projects.data?.projects ?? []).map((each) => each.name)} onClose={() => go({ form: undefined })} />}>
      {projects.isError ? <Designed.Failed error={projects.error} retry={() => void projects.refetch()} /> : (
        <Table label={t("export.projects.tab")} columns={at.form ? columns.slice(0, 2) : columns} rows={projects.data?.projects ?? []} rowKey={(row) => row.name} selected={at.project} onSelect={(row) => go({ project: row.name })} loading={projects.isLoading}
          empty={<Designed.Empty title={t("export.projects.empty")} hint={t("export.projects.emptyHint")} action={add || undefined} />} />
      )}
    </Room>
  );
}

function ProjectForm({ taken, onClose }: { taken: readonly string[]; onClose: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [prefix, setPrefix] = useState("");
  const [options, setOptions] = useState<string[]>([]);
  // Dates are kept as they are or shifted, not both.
  const choose = (next: string[]) => {
    const added = next.find((each) => !options.includes(each)) ?? "";
    setOptions(DATES.includes(added) ? next.filter((each) => each === added || !DATES.includes(each)) : next);
  };
  const save = useAct(() => api.exportsApi.addProject({ body: { name: name.trim(), prefix: prefix.trim(), options } }), { done: t("export.projects.saved"), refresh: [["projects"]], onDone: onClose });
  const wrong = taken.includes(name.trim());
  const badPrefix = prefix !== "" && !/^[A-Za-z0-9]{1,16}$/.test(prefix);
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (name.trim() && !wrong && !badPrefix) save.mutate(undefined); }}>
      <Panel title={t("export.projects.add")} label={t("export.projects.add")} sub={t("export.projects.about")} onClose={onClose}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!name.trim() || wrong || badPrefix} loading={save.isPending}>{t("export.projects.add")}</Button>
        </>}>
        <Wrong error={save.error} />
        <Note tone="warn">{t("export.projects.fixed")}</Note>
        <TextInput label={t("export.projects.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={200} autoFocus error={wrong ? t("rules.taken") : undefined} />
        <TextInput label={t("export.projects.prefix")} description={t("export.projects.prefixHelp")} placeholder="ANON" value={prefix} onChange={(event) => setPrefix(event.currentTarget.value)} maxLength={16} error={badPrefix ? t("export.projects.prefixHelp") : undefined} />
        <Checkbox.Group label={t("export.projects.options")} description={t("export.projects.optionsHelp")} value={options} onChange={choose}>
          <Stack gap={8} mt={8}>{OPTIONS.map((each) => <Checkbox key={each} size="xs" value={each} label={t(`export.projects.option.${each}`)} />)}</Stack>
        </Checkbox.Group>
      </Panel>
    </form>
  );
}
