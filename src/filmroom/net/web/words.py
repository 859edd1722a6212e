"""The sentences of the pages that the server writes itself, in every language it has."""

from collections.abc import Mapping

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "简体中文"}

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "product": "Filmroom",
        "tagline": "Picture archive",
        "sign_in": "Sign in",
        "name": "User name",
        "password": "Password",
        "wrong": "The user name or the password is wrong.",
        "locked": "Too many wrong passwords. This account is locked for 15 minutes.",
        "away": "Filmroom cannot check this now. Try again in a moment.",
        "choose_title": "Choose your password",
        "choose_text": "You signed in with a one-time password. Choose the one you will use from now on.",
        "new_password": "New password",
        "repeat": "Repeat the new password",
        "rule": "At least 10 characters. A sentence is easier to remember than symbols.",
        "save": "Save and continue",
        "differ": "The two passwords are not the same.",
        "weak": "This password is too short or too easy to guess.",
        "same": "This is the one-time password. Choose another.",
        "expired": "Your session has ended. Sign in again.",
        "signed_out": "You are signed out.",
        "language": "Language",
    },
    "zh": {
        "product": "Filmroom",
        "tagline": "影像归档",
        "sign_in": "登录",
        "name": "用户名",
        "password": "密码",
        "wrong": "用户名或密码不正确。",
        "locked": "密码错误次数过多，该账户已锁定 15 分钟。",
        "away": "暂时无法核对，请稍后再试。",
        "choose_title": "设置您的密码",
        "choose_text": "您使用的是一次性密码。请设置今后使用的密码。",
        "new_password": "新密码",
        "repeat": "再次输入新密码",
        "rule": "至少 10 个字符。一句话比符号更容易记住。",
        "save": "保存并继续",
        "differ": "两次输入的密码不一致。",
        "weak": "密码太短或太容易被猜到。",
        "same": "这是一次性密码，请换一个。",
        "expired": "会话已结束，请重新登录。",
        "signed_out": "您已退出登录。",
        "language": "语言",
    },
}


def choose(asked: str, remembered: str, accept_language: str, default: str) -> str:
    """The language of a page: asked in the address, chosen before, preferred by the browser, or the default."""
    for each in (asked, remembered):
        if each in LANGUAGES:
            return each
    ranges = sorted(_ranges(accept_language[:500]), key=lambda each: -each[1])
    for name, _ in ranges:
        primary = name.partition("-")[0]
        if primary in LANGUAGES:
            return primary
    return default if default in LANGUAGES else "en"


def _ranges(text: str) -> list[tuple[str, float]]:
    found = []
    for each in text.split(","):
        name, _, weight = each.partition(";")
        try:
            q = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            q = 0.0
        if name.strip() and q > 0:
            found.append((name.strip().lower(), q))
    return found
