import { Button, Code, Skeleton, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

/** What a room shows when it has nothing, waits, or fails: each says what to do next. */
function Empty({ title, hint, action }: { title: string; hint?: string; action?: ReactNode }) {
  return (
    <Stack align="center" gap="sm" py={72} px="lg">
      <Text size="lg" fw={600}>
        {title}
      </Text>
      {hint && (
        <Text c="dimmed" ta="center" maw={560}>
          {hint}
        </Text>
      )}
      {action}
    </Stack>
  );
}

function Failed({ error, retry }: { error: Error; retry?: () => void }) {
  const { t } = useTranslation();
  return (
    <Stack align="center" gap="sm" py={72} px="lg" role="alert">
      <Text size="lg" fw={600}>
        {t("common.failed")}
      </Text>
      <Code>{error.message}</Code>
      {retry && (
        <Button size="compact-sm" variant="default" onClick={retry}>
          {t("common.retry")}
        </Button>
      )}
    </Stack>
  );
}

function Rows({ rows }: { rows: number }) {
  const { t } = useTranslation();
  return (
    <Stack gap={10} p="sm" role="status" aria-label={t("common.loading")}>
      {Array.from({ length: rows }, (_, index) => (
        <Skeleton key={index} height={20} radius="sm" />
      ))}
    </Stack>
  );
}

export const Designed = { Empty, Failed, Skeleton: Rows };
