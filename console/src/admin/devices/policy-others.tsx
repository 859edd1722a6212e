import { JsonInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../admin.module.css";
import { type FieldGroup, type Policy, withOthers } from "./fields";

/** The keys that have no field of their own, as JSON: kept, shown and changed, never lost. */
export function OtherKeys({ rest, policy, groups, onChange }: { rest: Policy; policy: Policy; groups: readonly FieldGroup[]; onChange: (policy: Policy) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState(() => (Object.keys(rest).length === 0 ? "" : JSON.stringify(rest, null, 2)));
  const [bad, setBad] = useState(false);
  const change = (next: string) => {
    setText(next);
    try {
      const parsed: unknown = next.trim() === "" ? {} : JSON.parse(next);
      if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Error();
      setBad(false);
      onChange(withOthers(policy, groups, parsed as Policy));
    } catch {
      setBad(true);
    }
  };
  return (
    <details className={classes.group} open={Object.keys(rest).length > 0 || undefined}>
      <summary>{t("policy.other")}</summary>
      <div className={classes.fields}>
        <JsonInput label={t("policy.otherLabel")} description={t("policy.otherHelp")} value={text} onChange={change} error={bad ? t("policy.otherBad") : undefined} autosize minRows={3} spellCheck={false} />
      </div>
    </details>
  );
}
