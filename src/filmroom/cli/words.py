"""What the terminal says, in the operator's language (settings.language, else the locale)."""

import os

WORDS: dict[str, dict[str, str]] = {
    "ready": {"en": "Filmroom {version} is ready.", "zh": "Filmroom {version} 已就绪。"},
    "open": {"en": "Open", "zh": "打开"},
    "dicom": {"en": "DICOM", "zh": "DICOM"},
    "dicom_at": {"en": "AE title {ae} on {host}:{port}", "zh": "AE 标题 {ae}，地址 {host}:{port}"},
    "first": {"en": "First image", "zh": "发送首个图像"},
    "data": {"en": "Data", "zh": "数据目录"},
    "who": {"en": "Sign in", "zh": "登录"},
    "password": {
        "en": "admin, one-time password {password} (also in {path})",
        "zh": "admin，一次性密码 {password}（同时保存在 {path}）",
    },
    "loopback": {
        "en": "Listening for this machine only. To open: FILMROOM_DICOM_HOST=0.0.0.0, FILMROOM_HTTP_HOST=0.0.0.0\n"
        "or {path}. From this machine any calling AE title is accepted (dimse.trust_loopback);\n"
        "from elsewhere only registered devices: filmroom device add AETITLE HOST PORT.",
        "zh": "目前仅监听本机。对外开放：FILMROOM_DICOM_HOST=0.0.0.0、FILMROOM_HTTP_HOST=0.0.0.0\n"
        "或写入 {path}。来自本机的呼叫 AE 标题一律接受（dimse.trust_loopback）；\n"
        "其他主机须先登记设备：filmroom device add AETITLE HOST PORT。",
    },
    "opened": {
        "en": "From this machine any calling AE title is accepted (dimse.trust_loopback); from elsewhere only\n"
        "registered devices: filmroom device add AETITLE HOST PORT.",
        "zh": "来自本机的呼叫 AE 标题一律接受（dimse.trust_loopback）；其他主机须先登记设备：\n"
        "filmroom device add AETITLE HOST PORT。",
    },
    "stop": {"en": "Ctrl-C stops it.", "zh": "按 Ctrl-C 停止。"},
    "stopping": {"en": "Stopping: what is under way is finished first.", "zh": "正在停止：先完成进行中的任务。"},
    "still_stopping": {"en": "Still stopping; once more ends it at once.", "zh": "仍在停止；再按一次立即结束。"},
    "stopped": {"en": "Stopped.", "zh": "已停止。"},
}


def language(setting: str) -> str:
    """``en`` or ``zh``: the setting when it names one, else what the terminal's locale says."""
    if setting in {"en", "zh"}:
        return setting
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if locale.lower().startswith("zh") else "en"


def say(tongue: str, word: str, **values: object) -> str:
    """A sentence of WORDS with its values filled in."""
    return WORDS[word][tongue].format(**values)
