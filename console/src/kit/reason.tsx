import { Button, Chip, Group, Modal, Text, Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { isWaiting } from "./http";

interface Props {
  title: string;
  /** What will happen, in numbers. */
  what: ReactNode;
  /** Reasons that are given often. */
  usual?: string[];
  action: string;
  danger?: boolean;
  busy?: boolean;
  error?: Error | null;
  onClose: () => void;
  onDo: (reason: string) => void;
}

/** The question before something that is kept in the journal: what will happen, and why. */
export function ReasonDialog({ title, what, usual = [], action, danger, busy, error, onClose, onDo }: Props) {
  const { t } = useTranslation();
  const [reason, setReason] = useState("");
  const given = reason.trim();
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (given) onDo(given);
        }}
      >
        <Text size="sm" component="div">{what}</Text>
        {usual.length > 0 && (
          <Chip.Group value={reason} onChange={(value) => setReason(String(value))}>
            <Group gap={6} mt="md">
              {usual.map((each) => <Chip key={each} value={each} size="xs" radius="sm">{each}</Chip>)}
            </Group>
          </Chip.Group>
        )}
        <Textarea mt="sm" label={t("common.reason")} description={t("common.reasonKept")} value={reason} maxLength={500} autosize minRows={2} required data-autofocus
          onChange={(event) => setReason(event.currentTarget.value)} />
        {error && <Text c={isWaiting(error) ? "yellow" : "red"} size="sm" mt="sm" role={isWaiting(error) ? "status" : "alert"}>{isWaiting(error) ? t("common.waitsForAnother") : error.message}</Text>}
        <Group justify="end" mt="md">
          <Button variant="default" onClick={onClose}>{t(isWaiting(error) ? "common.close" : "common.cancel")}</Button>
          {!isWaiting(error) && <Button type="submit" color={danger ? "red" : undefined} disabled={!given} loading={busy}>{action}</Button>}
        </Group>
      </form>
    </Modal>
  );
}
