import { ActionIcon, Button, Checkbox, Group, Popover, Stack } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconChevronDown, IconChevronUp, IconColumns3 } from "@tabler/icons-react";
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Column } from "./table";

/** Which columns of a list are shown, in which order: chosen by the reader and remembered in this browser. */
export function useColumns<Row>(name: string, all: Column<Row>[], usual: readonly string[]): { shown: Column<Row>[]; menu: ReactNode } {
  const { t } = useTranslation();
  const [kept, keep] = useLocalStorage<string[]>({ key: `filmroom.columns.${name}`, defaultValue: [...usual] });
  const chosen = useMemo(() => kept.filter((key) => all.some((column) => column.key === key)), [kept, all]);
  const shown = chosen.flatMap((key) => all.find((column) => column.key === key) ?? []);
  const rest = all.filter((column) => !chosen.includes(column.key));
  const move = (key: string, by: number) => {
    const from = chosen.indexOf(key);
    const next = chosen.filter((each) => each !== key);
    next.splice(Math.max(0, from + by), 0, key);
    keep(next);
  };
  const menu = (
    <Popover position="bottom-end" shadow="md" trapFocus>
      <Popover.Target>
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={t("common.columns")} title={t("common.columns")}>
          <IconColumns3 size={16} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p="sm">
        <Stack gap={4}>
          {shown.map((column, place) => (
            <Group key={column.key} justify="space-between" wrap="nowrap" gap="lg">
              <Checkbox size="xs" checked label={column.title} disabled={shown.length === 1} onChange={() => keep(chosen.filter((key) => key !== column.key))} />
              <Group gap={2} wrap="nowrap">
                <ActionIcon size="xs" variant="subtle" color="gray" disabled={place === 0} onClick={() => move(column.key, -1)} aria-label={`${t("common.earlier")} ${column.title}`}>
                  <IconChevronUp size={13} />
                </ActionIcon>
                <ActionIcon size="xs" variant="subtle" color="gray" disabled={place === shown.length - 1} onClick={() => move(column.key, 1)} aria-label={`${t("common.later")} ${column.title}`}>
                  <IconChevronDown size={13} />
                </ActionIcon>
              </Group>
            </Group>
          ))}
          {rest.map((column) => (
            <Checkbox key={column.key} size="xs" checked={false} label={column.title} onChange={() => keep([...chosen, column.key])} />
          ))}
          <Button size="compact-xs" variant="subtle" mt={4} onClick={() => keep([...usual])}>
            {t("common.usualColumns")}
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
  return { shown, menu };
}
