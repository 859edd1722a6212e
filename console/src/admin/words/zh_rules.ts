import type { rulesMade as Words } from "./en_rules";

/** 规则表单的中文文案。 */
export const rulesMade: typeof Words = {
  tell: {
    expert: "专家视图", plain: "普通表单", cannot: "该条件超出普通表单的表达范围，请以文本方式编辑。", addTest: "并且…", addAction: "然后…",
    always: "始终", when: "当{{tests}}时", and: "且", comma: "，", or: "或", then: "{{when}}：{{actions}}。", nothing: "不作修改",
    whenArrives: "对象到达时", whenComplete: "检查完整后", with: "，若",
    send: "{{when}}{{tests}}，发送到 {{to}}{{more}}。", nobody: "…请选择设备", later: "，延后 {{minutes}} 分钟", commit: "，并请求存储确认", stop: "；不再询问后续规则",
    subject: "项目", operator: "条件", values: "取值", fromHour: "从", toHour: "至", oclock: "{{hour}}:00", none: "未设条件：始终成立。",
    subjects: { Modality: "设备类型", calling: "发送方（AE 标题）", called: "接收方（AE 标题）", BodyPartExamined: "检查部位", StudyDescription: "检查描述", SeriesDescription: "序列描述", InstitutionName: "机构", Manufacturer: "制造商", StationName: "工作站名称", ReferringPhysicianName: "申请医师", age: "患者年龄", hour: "时刻", weekday: "星期" },
    whats: { Modality: "设备类型", calling: "发送方", called: "被叫 AE 标题", BodyPartExamined: "检查部位", StudyDescription: "检查描述", SeriesDescription: "序列描述", InstitutionName: "机构", Manufacturer: "制造商", StationName: "工作站", ReferringPhysicianName: "申请医师", age: "患者年龄" },
    ops: { in: "是其中之一", "not in": "不是其中任何一个", like: "包含", "<": "小于", ">=": "不小于", span: "介于" },
    says: { in: "{{what}}为 {{list}} ", "not in": "{{what}}不是 {{list}} ", like: "{{what}}包含“{{list}}”", "<": "{{what}}小于 {{list}}", ">=": "{{what}}不小于 {{list}}", hour: "时刻介于 {{from}}:00 至 {{to}}:00", weekday: "当天为{{from}}至{{to}}" },
    days: { mon: "星期一", tue: "星期二", wed: "星期三", thu: "星期四", fri: "星期五", sat: "星期六", sun: "星期日" },
    ages: { d: "天", w: "周", m: "个月", y: "岁" },
    acts: { set: "设为", copy: "取自其他属性", remove: "删除", empty: "置空", replace: "替换文字", prefix: "加前缀", suffix: "加后缀", map: "按对照表转换" },
    actSays: { set: "{{what}} 设为“{{value}}”", copy: "{{what}} 取自 {{from}}", remove: "删除 {{what}}", empty: "{{what}} 置空", replace: "{{what}} 中的“{{pattern}}”替换为“{{with}}”", prefix: "{{what}} 前加“{{value}}”", suffix: "{{what}} 后加“{{value}}”", map: "{{what}} 按对照表（{{count}} 项）转换" },
    fields: { attribute: "属性（关键字）", value: "值", from: "来源属性", pattern: "文字或表达式", with: "替换为", table: "对照表：每行一个“原值 = 新值”", otherwise: "其余值改为（留空：不变）" },
  },
  forward: {
    tab: "自动转发", about: "自动转发的对象和检查。规则不会重复发送，也不会发回来源。", add: "新建规则", event: "时机", events: { arrival: "对象到达时", complete: "检查完整后" },
    to: "发送到", rank: "次序", priority: "优先级", ofDevice: "按设备设置", priorities: { low: "低", medium: "中", high: "高" }, delay: "延后（分钟）", commit: "请求存储确认", sentence: "实际作用",
    empty: "没有自动转发", emptyHint: "规则可将到达的内容发送到其他归档或工作站：夜间的全部 CT、某台设备的全部影像、儿童检查等。",
    trial: "本应发送的内容", tryOut: "用最近 100 项检查试算", tried_one: "涉及 {{count}} 项检查，{{objects}} 个对象；此次未发送任何内容。", tried_other: "涉及 {{count}} 项检查，{{objects}} 个对象；此次未发送任何内容。", none: "最近的检查均不会被发送。", part: "对象过多，未能全部核对。", objects: "对象", study: "检查", already: "已按规则发送",
    noDevice: "还没有可发送的设备，请先登记。",
  },
};
