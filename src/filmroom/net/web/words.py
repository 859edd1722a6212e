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
        "locked": "Too many wrong attempts. This account is locked for a while: wait before you try again.",
        "with": "Sign in with",
        "with_passkey": "Use a passkey",
        "passkey_failed": "The passkey was not accepted.",
        "passkey_needs_script": "Passkeys need JavaScript.",
        "provider_refused": "You could not be signed in that way. Ask your administrator whether you have a role here.",
        "second_title": "Second step",
        "code": "Code",
        "code_hint": "From your authenticator app, or one of your recovery codes.",
        "continue": "Continue",
        "another": "Use another account",
        "wrong_code": "This code is wrong or was used already.",
        "factors_title": "Second factor",
        "factors_owed": "Your role needs more than a password. Set up one of these to continue.",
        "factors_text": "A second factor keeps others out even when they know your password.",
        "totp_title": "Authenticator app",
        "totp_text": "Scan this picture with an authenticator app on your phone, then type the code that it shows.",
        "totp_qr": "Picture to scan with an authenticator app",
        "totp_typed": "I cannot scan it",
        "totp_there": "An authenticator app is set up.",
        "totp_confirm": "Set up",
        "first_code": "Code of six digits",
        "recovery_title": "Recovery codes",
        "recovery_text": "Keep these where you find them without your phone. Each opens your account once.",
        "recovery_kept": "I have kept them",
        "recovery_left": "Recovery codes left",
        "recovery_renew": "Make new recovery codes",
        "passkeys_title": "Passkeys",
        "passkeys_there": "Passkeys set up",
        "passkey_add": "Add a passkey",
        "back": "Back",
        "away": "Filmroom cannot check this now. Try again in a moment.",
        "choose_title": "Choose your password",
        "choose_text": "A one-time password, or one that is too old, must be replaced. Choose the one you will keep.",
        "new_password": "New password",
        "repeat": "Repeat the new password",
        "rule": "At least 10 characters. A sentence is easier to remember than symbols.",
        "save": "Save and continue",
        "differ": "The two passwords are not the same.",
        "password_short": "This password is too short.",
        "password_long": "This password is too long.",
        "password_guessed": "This password is too easy to guess.",
        "password_same": "This is the password that you have now. Choose another.",
        "password_used": "You used this password before. Choose another.",
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
        "locked": "错误次数过多，该账户已暂时锁定，请稍候再试。",
        "with": "登录方式：",
        "with_passkey": "使用通行密钥",
        "passkey_failed": "通行密钥未被接受。",
        "passkey_needs_script": "通行密钥需要启用 JavaScript。",
        "provider_refused": "无法以此方式登录。请向管理员确认您在本系统中是否有角色。",
        "second_title": "第二步验证",
        "code": "验证码",
        "code_hint": "来自身份验证器应用，或使用一个恢复码。",
        "continue": "继续",
        "another": "使用其他账户",
        "wrong_code": "验证码不正确或已使用过。",
        "factors_title": "双重验证",
        "factors_owed": "您的角色要求密码之外的验证方式。请设置其中一种后继续。",
        "factors_text": "即使他人知道您的密码，第二重验证也能阻止其登录。",
        "totp_title": "身份验证器应用",
        "totp_text": "请用手机上的身份验证器应用扫描此图，然后输入其显示的验证码。",
        "totp_qr": "供身份验证器应用扫描的图片",
        "totp_typed": "无法扫描",
        "totp_there": "已设置身份验证器应用。",
        "totp_confirm": "设置",
        "first_code": "六位验证码",
        "recovery_title": "恢复码",
        "recovery_text": "请保存在没有手机也能找到的地方。每个恢复码只能使用一次。",
        "recovery_kept": "我已保存",
        "recovery_left": "剩余恢复码",
        "recovery_renew": "生成新的恢复码",
        "passkeys_title": "通行密钥",
        "passkeys_there": "已设置的通行密钥",
        "passkey_add": "添加通行密钥",
        "back": "返回",
        "away": "暂时无法核对，请稍后再试。",
        "choose_title": "设置您的密码",
        "choose_text": "您使用的是一次性密码，或密码已过期。请设置今后使用的密码。",
        "new_password": "新密码",
        "repeat": "再次输入新密码",
        "rule": "至少 10 个字符。一句话比符号更容易记住。",
        "save": "保存并继续",
        "differ": "两次输入的密码不一致。",
        "password_short": "密码太短。",
        "password_long": "密码太长。",
        "password_guessed": "密码太容易被猜到。",
        "password_same": "这是当前密码，请换一个。",
        "password_used": "该密码曾经使用过，请换一个。",
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
