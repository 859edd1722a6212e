import { devices } from "./zh_devices";
import { rulesMade } from "./zh_rules";
import { work } from "./zh_work";

/** Every word of the administration rooms; the Chinese catalogue has the same keys as the English one. */
export const zh = { ...devices, ...work, ...rulesMade };
