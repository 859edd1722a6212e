"""Free text under the Clean options: what identifies is looked for in it, and only known words stay (PS3.15 E.3.5)."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.sr._cid_dict import cid_concepts

# Shorter pieces of names and numbers would be found in everything.
_SHORTEST, _SHORTEST_CJK = 3, 2
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORDS = re.compile(
    r"[A-Za-z]+\d{0,2}|(?<![\w./-])\d{1,3}(?:\.\d{1,2})?(?:mm|cm|s|ms|kv|keV|mA|mAs|Hz|T)?(?![\w/.-])|[^\W\d_]+"
)
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAME_PARTS = re.compile(r"[\\^=\s,.]+")
# What protocols are called besides the words of the standard.
_PROTOCOL_WORDS: Final = """
    ax axial cor coronal sag sagittal obl oblique trans tra iso mpr mip vr 3d 2d t1 t2 t1w t2w pd pdw flair stir tse fse
    gre se ge epi dwi adc swi tof mra mrv cta ctp dyn post pre kontrast native nativ plain ce gad km fs fatsat spair
    dixon vibe space mprage haste blade propeller thin thick bone lung soft tissue brain head neck chest thorax abdomen
    pelvis spine knee hip foot hand wrist elbow shoulder ankle skull sinus cardiac heart liver kidney lat pa ap ll rl
    scout localizer topogram survey loc dose report series study ct mr us cr dx mg pt nm xa rf body routine standard
    with without and of the to in left right upper lower art arterial venous portal delay delayed phase kernel recon
"""
# Context groups of PS3.16 whose meanings say where and what: anatomy, laterality, modality, findings of
# breast and chest. Not the substances and allergens, among which there are names of trees and people.
_CONTEXT_GROUPS: Final = frozenset({4, 29, 33, 218, 244, *range(4009, 4034), *range(6001, 6030), *range(6101, 6148)})
# Words of the standard that are common names of people.
_NAMES: Final = frozenset({"brown", "long", "miller", "white", "young"})
_CHINESE_WORDS: Final = """
    平扫 增强 薄层 厚层 骨窗 肺窗 软组织 头部 头颅 颅脑 颈部 颈椎 胸部 胸椎 腹部 上腹 下腹 盆腔
    腰椎 骶椎 脊柱 膝关节 髋关节 肩关节 踝关节 腕关节 肘关节 心脏 冠脉 冠状动脉 血管 肺 肝 肾 脑
    正位 侧位 斜位 轴位 冠状位 矢状位 动脉期 静脉期 延迟期 重建 定位 扫描 左侧 右侧 双侧 检查
"""


class Identifiers:
    """What identifies somebody in one data set, to be looked for elsewhere in it."""

    def __init__(self, terms: Iterable[str] = ()) -> None:
        self._terms = {term.casefold() for term in terms if _long_enough(term)}
        choice = "|".join(re.escape(term) for term in sorted(self._terms, key=len, reverse=True))
        self._pattern = re.compile(choice) if choice else None

    def within(self, text: str) -> bool:
        """Whether the text names any of them."""
        return self._pattern is not None and self._pattern.search(text.casefold()) is not None


def terms_of(vr: str, text: str) -> list[str]:
    """What to look for of an identifying value: the whole, and of a name its parts."""
    values = [part.strip(" \0") for part in text.split("\\")] if vr not in ("ST", "LT", "UT") else [text.strip(" \0")]
    if vr == "PN":
        values += [part for part in _NAME_PARTS.split(text) if part]
        values += [" ".join(part for part in _NAME_PARTS.split(value) if part) for value in values]
    return [value for value in values if value]


def cleaned(text: str, identifiers: Identifiers) -> str:
    """The text with nothing left but known words and small measures; '' when that is nothing but numbers."""
    known = _vocabulary()
    kept = []
    for word in _WORDS.findall(text):
        if _CJK.search(word):
            kept += [found for found in _chinese().findall(word) if not identifiers.within(found)]
        elif (word[0].isdigit() or word.casefold() in known) and not identifiers.within(word):
            kept.append(word)
    said = " ".join(kept)
    if identifiers.within(said):  # words that are harmless one by one
        return ""
    return said if any(not word[0].isdigit() for word in kept) else ""


def _long_enough(term: str) -> bool:
    return len(term) >= (_SHORTEST_CJK if _CJK.search(term) else _SHORTEST)


@cache
def _chinese() -> "re.Pattern[str]":
    return re.compile("|".join(sorted(_CHINESE_WORDS.split(), key=len, reverse=True)))


@cache
def _vocabulary() -> frozenset[str]:
    """The words of the standard's attribute names, and of its coded anatomy and findings."""
    names = [entry[4] for entry in DicomDictionary.values()]
    chosen = (schemes for cid, schemes in cid_concepts.items() if cid in _CONTEXT_GROUPS)
    names += [keyword for schemes in chosen for keywords in schemes.values() for keyword in keywords]
    words = {word.casefold() for name in names for word in _CAMEL.findall(name)}
    return frozenset({word for word in words if len(word) > 2} - _NAMES | set(_PROTOCOL_WORDS.split()))
