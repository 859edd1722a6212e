import type { en } from "./en";
import { devices } from "./zh_devices";
import { work } from "./zh_work";

/** 管理各室的全部中文文案。 */
export const zh: typeof en = { ...devices, ...work };
