import { Anchor, Badge, Button, CloseButton, Group, Menu, Progress, Text } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { showBytes } from "../kit/format";
import classes from "./studies.module.css";
import { type FileState, filesOf, forgetUploads, retryUploads, type Sent, stopUploads, upload, useUploads } from "./uploads";

const LINE = 24;
const KINDS = ["filed", "already", "quarantined", "failed", "skipped"] as const;
const COLOR: Record<FileState, string> = { waiting: "gray", sending: "film", filed: "green", already: "gray", quarantined: "orange", failed: "red", skipped: "gray" };

/** Files from a desk: chosen here, or dropped anywhere on the room. */
export function UploadButton() {
  const { t } = useTranslation();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const take = (input: HTMLInputElement) => {
    upload([...(input.files ?? [])]);
    input.value = "";
  };
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="compact-xs" variant="default" leftSection={<IconUpload size={14} />}>{t("upload.title")}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => files.current?.click()}>{t("upload.files")}</Menu.Item>
          <Menu.Item onClick={() => folder.current?.click()}>{t("upload.folder")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <input ref={files} type="file" multiple hidden aria-label={t("upload.files")} data-testid="upload-files" onChange={(event) => take(event.currentTarget)} />
      <input ref={folder} type="file" hidden aria-label={t("upload.folder")} onChange={(event) => take(event.currentTarget)} {...{ webkitdirectory: "" }} />
    </>
  );
}

/** Takes what is dropped on its children, and says what became of it below them. */
export function DropZone({ enabled, onStudies, children }: { enabled: boolean; onStudies: (uids: string[]) => void; children: ReactNode }) {
  const { t } = useTranslation();
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  if (!enabled) return <>{children}</>;
  const withFiles = (event: React.DragEvent) => event.dataTransfer.types.includes("Files");
  return (
    <div
      className={classes.drop}
      onDragEnter={(event) => {
        if (!withFiles(event)) return;
        depth.current += 1;
        setOver(true);
      }}
      onDragLeave={() => {
        depth.current = Math.max(0, depth.current - 1);
        if (depth.current === 0) setOver(false);
      }}
      onDragOver={(event) => withFiles(event) && event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        depth.current = 0;
        setOver(false);
        void filesOf(event.dataTransfer).then(upload);
      }}
    >
      {children}
      <Uploads onStudies={onStudies} />
      {over && <div className={classes.over}>{t("upload.drop")}</div>}
    </div>
  );
}

const counted = (sent: readonly Sent[], kind: (typeof KINDS)[number]) =>
  sent.reduce((all, each) => all + (each.answer ? each.answer[kind] : each.state === kind ? 1 : 0), 0);

function Uploads({ onStudies }: { onStudies: (uids: string[]) => void }) {
  const { t } = useTranslation();
  const sent = useUploads();
  const busy = sent.some((each) => each.state === "waiting" || each.state === "sending");
  useEffect(() => {
    if (!busy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [busy]);
  if (sent.length === 0) return null;
  const done = sent.filter((each) => each.state !== "waiting" && each.state !== "sending").length;
  const bytes = sent.reduce((all, each) => all + each.bytes, 0);
  const gone = sent.reduce((all, each) => all + (each.state === "waiting" ? 0 : Math.min(each.gone, each.bytes)), 0);
  const studies = [...new Set(sent.flatMap((each) => each.answer?.studies ?? []))];
  const failed = sent.some((each) => each.state === "failed");
  const quarantined = counted(sent, "quarantined");
  return (
    <section className={classes.uploads} aria-label={t("upload.result")}>
      <Group justify="space-between" wrap="nowrap">
        <Group gap="sm">
          <Text size="sm" fw={600} role="status">{t(busy ? "upload.running" : "upload.ended", { done, total: sent.length })}</Text>
          <Text size="xs" c="dimmed">{showBytes(gone)} / {showBytes(bytes)}</Text>
          {KINDS.map((kind) => counted(sent, kind) > 0 && <Badge key={kind} size="sm" variant="light" color={COLOR[kind]}>{counted(sent, kind)} {t(`upload.${kind}`)}</Badge>)}
          {quarantined > 0 && <Anchor component={Link} to="/quarantine" size="xs">{t("upload.toQuarantine")}</Anchor>}
        </Group>
        <Group gap={6} wrap="nowrap">
          {!busy && failed && <Button size="compact-xs" variant="default" onClick={retryUploads}>{t("upload.again")}</Button>}
          {!busy && studies.length > 0 && <Button size="compact-xs" variant="light" onClick={() => onStudies(studies)}>{t("upload.showStudies")}</Button>}
          {busy ? <Button size="compact-xs" variant="default" onClick={stopUploads}>{t("upload.stop")}</Button> : <CloseButton size="sm" onClick={forgetUploads} aria-label={t("upload.close")} />}
        </Group>
      </Group>
      <Progress size="xs" my={6} value={bytes > 0 ? (100 * gone) / bytes : 0} aria-label={t("upload.title")} />
      <Lines sent={sent} />
    </section>
  );
}

function Lines({ sent }: { sent: readonly Sent[] }) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: sent.length, getScrollElement: () => scroller.current, estimateSize: () => LINE, overscan: 6 });
  const told = (each: Sent) => {
    const kinds = each.answer ? KINDS.filter((kind) => each.answer![kind] > 0) : [];
    const many = each.answer !== undefined && kinds.reduce((all, kind) => all + each.answer![kind], 0) > 1;
    return many ? kinds.map((kind) => `${each.answer![kind]} ${t(`upload.${kind}`)}`).join(", ") : t(`upload.${each.state}`);
  };
  return (
    <div ref={scroller} className={classes.lines} tabIndex={0} role="list" aria-label={t("upload.result")}>
      <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="presentation">
        {virtual.getVirtualItems().map((item) => {
          const each = sent[item.index]!;
          return (
            <div key={each.id} role="listitem" className={classes.line} style={{ height: LINE, transform: `translateY(${item.start}px)` }}>
              <Text size="xs" truncate>{each.name}</Text>
              <Text size="xs" c="dimmed" ta="end">{showBytes(each.bytes)}</Text>
              <Text size="xs" c={["failed", "quarantined"].includes(each.state) ? COLOR[each.state] : undefined} truncate>
                {[told(each), each.reason ?? (each.state === "failed" ? t("upload.unreachable") : "")].filter(Boolean).join(" · ")}
              </Text>
            </div>
          );
        })}
      </div>
    </div>
  );
}
