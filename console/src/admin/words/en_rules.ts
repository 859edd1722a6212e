/** Words of the forms for rules: conditions, actions, sending on. */
export const rulesMade = {
  tell: {
    expert: "Expert view", plain: "Plain form", cannot: "This condition is more than the plain form can show; it is edited as text.", addTest: "And also…", addAction: "And then…",
    always: "Always", when: "When {{tests}}", and: " and ", comma: ", ", or: " or ", then: "{{when}}: {{actions}}.", nothing: "nothing is changed",
    whenArrives: "When an object arrives", whenComplete: "When a study is complete", with: " and ",
    send: "{{when}}{{tests}}, send it to {{to}}{{more}}.", nobody: "… choose a device", later: ", {{minutes}} min later", commit: ", and ask for storage commitment", stop: "; no further rule is asked",
    subject: "What", operator: "How", values: "Values", fromHour: "From", toHour: "to", oclock: "{{hour}}:00", none: "No condition: it holds always.",
    subjects: { Modality: "Modality", calling: "Sent by (AE title)", called: "Sent to (AE title)", BodyPartExamined: "Body part", StudyDescription: "Study description", SeriesDescription: "Series description", InstitutionName: "Institution", Manufacturer: "Manufacturer", StationName: "Station name", ReferringPhysicianName: "Referring physician", age: "Age of the patient", hour: "Time of day", weekday: "Day of the week" } as Record<string, string>,
    whats: { Modality: "the modality", calling: "the sender", called: "the AE title called", BodyPartExamined: "the body part", StudyDescription: "the study description", SeriesDescription: "the series description", InstitutionName: "the institution", Manufacturer: "the manufacturer", StationName: "the station", ReferringPhysicianName: "the referring physician", age: "the patient" } as Record<string, string>,
    ops: { in: "is one of", "not in": "is none of", like: "contains", "<": "is under", ">=": "is at least", span: "is between" } as Record<string, string>,
    says: { in: "{{what}} is {{list}}", "not in": "{{what}} is not {{list}}", like: "{{what}} contains {{list}}", "<": "{{what}} is under {{list}} old", ">=": "{{what}} is at least {{list}} old", hour: "it is between {{from}}:00 and {{to}}:00", weekday: "the day is {{from}} to {{to}}" } as Record<string, string>,
    days: { mon: "Monday", tue: "Tuesday", wed: "Wednesday", thu: "Thursday", fri: "Friday", sat: "Saturday", sun: "Sunday" } as Record<string, string>,
    ages: { d: "days", w: "weeks", m: "months", y: "years" } as Record<string, string>,
    acts: { set: "Set", copy: "Copy from another", remove: "Remove", empty: "Leave empty", replace: "Replace text", prefix: "Put before", suffix: "Put behind", map: "Translate by a table" } as Record<string, string>,
    actSays: { set: "{{what}} becomes “{{value}}”", copy: "{{what}} is taken from {{from}}", remove: "{{what}} is removed", empty: "{{what}} is left empty", replace: "“{{pattern}}” in {{what}} becomes “{{with}}”", prefix: "“{{value}}” is put before {{what}}", suffix: "“{{value}}” is put behind {{what}}", map: "{{what}} is translated by a table of {{count}}" } as Record<string, string>,
    fields: { attribute: "Attribute (keyword)", value: "Value", from: "From attribute", pattern: "Text or expression", with: "Becomes", table: "Table: one “from = to” in each line", otherwise: "Everything else becomes (empty: stays)" },
  },
  forward: {
    tab: "Sending on", about: "Objects and studies that are sent on by themselves. Nothing is sent twice by rule, or back to where it came from.", add: "Add a rule", event: "When", events: { arrival: "as objects arrive", complete: "when the study is complete" } as Record<string, string>,
    to: "Send to", rank: "Order", priority: "Priority", ofDevice: "as the device says", priorities: { low: "low", medium: "medium", high: "high" } as Record<string, string>, delay: "Wait, in minutes", commit: "Ask for storage commitment", sentence: "What it does",
    empty: "Nothing is sent on by itself", emptyHint: "A rule sends what arrives to another archive or workstation: all CT at night, everything of one station, children’s studies.",
    trial: "What it would have sent", tryOut: "Try on the last 100 studies", tried_one: "{{objects}} objects of {{count}} study; nothing was sent now.", tried_other: "{{objects}} objects of {{count}} studies; nothing was sent now.", none: "None of the last studies would have been sent.", part: "There were too many objects to look at all of them.", objects: "Objects", study: "Study", already: "there already by rule",
    noDevice: "No device can be sent to yet. Register one first.",
  },
};
