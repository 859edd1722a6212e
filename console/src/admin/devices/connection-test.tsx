import { Loader, Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { StepAnswer } from "../../api/v1";
import { send } from "../../kit/http";
import classes from "../admin.module.css";
import { Note, Wrong } from "../parts";

const LINES = "application/x-ndjson";

/** The connection test of a device, each step as it ends, and in the end the one sentence that matters. */
export function ConnectionTest({ title }: { title: string }) {
  const { t, i18n } = useTranslation();
  const { steps, running, error } = useSteps(title);
  const told = (step: StepAnswer) => (i18n.language === "zh" ? step.text.zh : step.text.en);
  const failed = steps.find((step) => step.outcome === "failed");
  const warned = steps.filter((step) => step.outcome === "warning");
  return (
    <div aria-live="polite" aria-busy={running} data-testid="connection-test">
      <Wrong error={error} />
      {steps.map((step) => (
        <div key={step.step + step.code} className={classes.step}>
          <Mark outcome={step.outcome} />
          <div>
            <Text size="sm" fw={500} span>{t(`devices.step.${step.step}`, { defaultValue: step.step })}</Text>
            <Text size="sm" c={step.outcome === "ok" ? "dimmed" : undefined}>{told(step)}</Text>
          </div>
          <Text size="xs" c="dimmed">{step.ms < 10 ? step.ms.toFixed(1) : Math.round(step.ms)} ms</Text>
        </div>
      ))}
      {running && <div className={classes.step}><Loader size={14} /><Text size="sm" c="dimmed">{t("devices.testing")}</Text><span /></div>}
      {!running && failed && <Note tone="bad" title={t("devices.testFailed")}>{told(failed)}</Note>}
      {!running && !failed && !error && steps.length > 0 && (
        <Note tone={warned.length > 0 ? "warn" : "good"} title={t(warned.length > 0 ? "devices.testWarned" : "devices.testFine")}>
          {warned.map((step) => <div key={step.code}>{told(step)}</div>)}
        </Note>
      )}
    </div>
  );
}

function Mark({ outcome }: { outcome: StepAnswer["outcome"] }) {
  const { t } = useTranslation();
  const label = t(`devices.outcome.${outcome}`);
  if (outcome === "ok") return <IconCircleCheck size={16} className={classes.good} aria-label={label} role="img" />;
  if (outcome === "warning") return <IconAlertTriangle size={16} className={classes.warn} aria-label={label} role="img" />;
  return <IconCircleX size={16} className={classes.bad} aria-label={label} role="img" />;
}

/** Runs the test once; its lines come as the steps end. */
function useSteps(title: string) {
  const [steps, setSteps] = useState<StepAnswer[]>([]);
  const [running, setRunning] = useState(true);
  const [error, setError] = useState<Error>();
  useEffect(() => {
    const ending = new AbortController();
    const run = async () => {
      const answer = await send(`/api/v1/devices/${encodeURIComponent(title)}/test`, { method: "POST", headers: { Accept: LINES }, signal: ending.signal });
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const lines = (rest + value).split("\n");
        rest = lines.pop() ?? "";
        const fresh = lines.map((line) => JSON.parse(line) as StepAnswer);
        setSteps((old) => [...old, ...fresh]);
      }
    };
    setSteps([]);
    run().catch((fault: Error) => { if (!ending.signal.aborted) setError(fault); }).finally(() => { if (!ending.signal.aborted) setRunning(false); });
    return () => ending.abort();
  }, [title]);
  return { steps, running, error };
}
