"""The worklist debugger in words, English and Chinese, by the codes of workflow/debugger."""

from filmroom.workflow.debugger import Reason

REASONS: dict[str, dict[str, str]] = {
    "closed": {"en": "the step is over: {held}", "zh": "该步骤已结束：{held}"},
    "hidden": {"en": "the device's policy hides steps that are {held}", "zh": "设备策略隐藏状态为 {held} 的步骤"},
    "other-modality-group": {
        "en": "the device's policy shows {asked} only, the step is {held}",
        "zh": "设备策略只显示 {asked}，该步骤为 {held}",
    },
    "no-value": {"en": "asked {asked}, the order has no value", "zh": "查询 {asked}，检查申请中没有该值"},
    "differs": {"en": "asked {asked}, the order has {held}", "zh": "查询 {asked}，检查申请中为 {held}"},
    "differs-in-case": {
        "en": "asked {asked}, the order has {held}: only upper and lower case differ",
        "zh": "查询 {asked}，检查申请中为 {held}：仅大小写不同",
    },
    "differs-in-form": {
        "en": "asked {asked}, the order has {held}: only spaces, leading zeros or punctuation differ",
        "zh": "查询 {asked}，检查申请中为 {held}：仅空格、前导零或标点不同",
    },
    "is-a-pattern": {
        "en": "asked {asked}: * and ? are plain characters here",
        "zh": "查询 {asked}：此处 * 和 ? 只是普通字符",
    },
    "before": {
        "en": "asked {asked}, the order has {held}, which is before",
        "zh": "查询 {asked}，申请为 {held}，早于范围",
    },
    "after": {
        "en": "asked {asked}, the order has {held}, which is after",
        "zh": "查询 {asked}，申请为 {held}，晚于范围",
    },
    "moment": {
        "en": "asked {asked}, date and time as one period; the step begins {held}",
        "zh": "查询 {asked}（日期与时间合为一个时段）；步骤开始于 {held}",
    },
    "not-decoded": {
        "en": "asked {asked}: the key could not be read in the query's character set",
        "zh": "查询 {asked}：无法按查询的字符集解读",
    },
}
BY_POLICY = {"en": "from the device's policy", "zh": "来自设备策略"}
HINTS: dict[str, dict[str, str]] = {
    "no-charset": {
        "en": "The query has characters beyond ASCII and names no character set (0008,0005).",
        "zh": "查询含有非 ASCII 字符，但未注明字符集 (0008,0005)。",
    },
    "unsupported-keys": {
        "en": "The query asks for attributes that no order here has; they are not matched.",
        "zh": "查询包含申请中不存在的属性；这些属性不参与匹配。",
    },
    "station-from-policy": {
        "en": "The query names no station; the device's policy put its calling AE title there.",
        "zh": "查询未指定工作站；设备策略代之以呼叫方 AE 标题。",
    },
    "days-from-policy": {
        "en": "The device's policy widened the start date.",
        "zh": "设备策略扩大了开始日期的范围。",
    },
    "no-date": {
        "en": "The query names no start date: steps of every day match.",
        "zh": "查询未指定开始日期：所有日期的步骤都匹配。",
    },
    "other-station-calls": {
        "en": "The query asks for another station than the AE title that calls.",
        "zh": "查询的工作站与呼叫方 AE 标题不同。",
    },
    "nothing-scheduled": {"en": "There is no step on that day at all.", "zh": "当天没有任何步骤。"},
    "station-unknown": {
        "en": "No step of the day is for the station that is asked.",
        "zh": "当天没有任何步骤安排在所查询的工作站。",
    },
}


def reason(tongue: str, why: Reason) -> str:
    """One reason as a sentence."""
    said = REASONS[why.code][tongue].format(asked=why.asked or "-", held=why.held or "-")
    named = f"{why.keyword}: {said}" if why.keyword else said
    return f"{named} ({BY_POLICY[tongue]})" if why.by_policy and why.keyword else named


def hint(tongue: str, code: str) -> str:
    """One remark about the query as a sentence."""
    return HINTS[code][tongue]
